-- The W3C trace context of whoever queued the job, '' for none.
ALTER TABLE jobs ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN tracestate  TEXT NOT NULL DEFAULT '';
