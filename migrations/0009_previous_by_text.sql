-- 9: what is put back keeps its text, and so its place in an index by texts. In one by target and text each memory left
-- its page for another, anywhere: that was a third of all that a rollback wrote.
DROP INDEX embedding_previous_by_target;
CREATE INDEX embedding_previous_by_target ON embedding_previous (fingerprint_id) WHERE fingerprint_id IS NOT NULL;

-- Finds a vector that was paid for by its text.
CREATE INDEX embedding_previous_by_src ON embedding_previous (src) WHERE src IS NOT NULL;
