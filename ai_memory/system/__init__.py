"""What the operating system is asked: who may write a file, who gives a command, which signals came."""
