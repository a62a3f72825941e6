-- Asynchronous invokes that were accepted (202) and have not ended yet. See store/event_queue.py.
CREATE TABLE event_queue (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    qualifier TEXT NOT NULL,      -- '' when the caller gave none
    request_id TEXT NOT NULL,
    size INTEGER NOT NULL,        -- bytes of the payload
    accepted_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,      -- not before
    attempts INTEGER NOT NULL,    -- runs that ended in an error of the function
    faults INTEGER NOT NULL,      -- system errors
    lease TEXT                    -- the server process that has it in memory; NULL waits here
) STRICT;

-- What a server looks for. Leased rows are not in it, so it is short when the queue keeps up.
CREATE INDEX event_queue_waiting ON event_queue (account, region, name, qualifier, due_ms, id)
WHERE lease IS NULL;

-- Apart, because changing a row rewrites all of it, and payloads go up to 1 MB.
CREATE TABLE event_payload (
    id INTEGER PRIMARY KEY REFERENCES event_queue (id) ON DELETE CASCADE,
    payload BLOB NOT NULL,
    client_context BLOB,
    trace_header TEXT NOT NULL
) STRICT;
