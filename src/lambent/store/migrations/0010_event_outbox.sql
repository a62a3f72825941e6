-- What asynchronous invokes still have to tell: records for destinations and dead letter queues.
-- Written in the same transaction that ends the event. See store/event_outbox.py.
CREATE TABLE event_outbox (
    id INTEGER PRIMARY KEY,
    due_ms INTEGER NOT NULL,      -- not before
    attempts INTEGER NOT NULL,
    document BLOB NOT NULL        -- msgspec JSON of store/event_outbox.Message
) STRICT;

CREATE INDEX event_outbox_due ON event_outbox (due_ms, id);
