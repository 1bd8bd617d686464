-- The publisher looks twice a second for changes that Redis has not been told of: there are few of them, and many that it has.
CREATE INDEX change_log_unpublished ON change_log (org_id, revision) WHERE published_at IS NULL;
