-- Asynchronous invokes of functions that keep their tenants apart: whose event it is.
ALTER TABLE event_payload ADD COLUMN tenant_id TEXT NOT NULL DEFAULT '';
