-- 6: how the embedders were configured that wrote vectors, so that vectors of an old one can be searched while a new one
--    takes their place.

-- Never a key: only the name of the variable or file that has it. What a file says here is not obeyed blindly: see
-- docs/adr/0007.
CREATE TABLE embedding_settings (
    target        INTEGER PRIMARY KEY REFERENCES embedding_fingerprint (id),
    settings_json TEXT NOT NULL,              -- JSON object: backend, base_url, model, model_path, dim, api_key_env, api_key_file
    kept_at       INTEGER NOT NULL
) STRICT;
