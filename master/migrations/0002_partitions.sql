-- Records by day: whole days are dropped, and no insert touches an index that grows for ever. The day is that of the UUIDv7 that a record is
-- stored once by, so that one sent again meets its like in the same partition. Keys are within an organization: none can block another's records.
-- Records have no foreign key: to make or drop a partition with one would lock `organization`, and with it every publish. Ingestion holds the
-- organization's row instead, and a trigger deletes what an organization had. A semicolon within a function stands at the start of a line.

ALTER TABLE call_record RENAME TO call_record_0001;
ALTER TABLE call_event RENAME TO call_event_0001;
ALTER TABLE activity_record RENAME TO activity_record_0001;

CREATE TABLE call_record (
  day date NOT NULL,
  id uuid NOT NULL,
  org_id text NOT NULL,
  call_id uuid NOT NULL,
  node_id text NOT NULL,
  campaign_id text NOT NULL,
  version integer,
  caller text,
  outcome text NOT NULL,
  disposition text,
  started_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  record jsonb NOT NULL,
  CONSTRAINT call_record_once PRIMARY KEY (org_id, call_id, day),
  CONSTRAINT call_record_id_once UNIQUE (org_id, id, day)
) PARTITION BY RANGE (day);
CREATE INDEX call_record_by_start ON call_record (org_id, started_at DESC, id DESC);
CREATE INDEX call_record_by_campaign ON call_record (org_id, campaign_id, started_at DESC, id DESC);

CREATE TABLE call_event (
  day date NOT NULL,
  id uuid NOT NULL,
  org_id text NOT NULL,
  call_id uuid NOT NULL,
  seq integer NOT NULL,
  occurred_at timestamptz NOT NULL,
  record jsonb NOT NULL,
  CONSTRAINT call_event_once PRIMARY KEY (org_id, id, day)
) PARTITION BY RANGE (day);
CREATE INDEX call_event_by_call ON call_event (org_id, call_id, seq);

CREATE TABLE activity_record (
  day date NOT NULL,
  id uuid NOT NULL,
  org_id text NOT NULL,
  type text NOT NULL CHECK (type IN ('call_start', 'agent')),
  occurred_at timestamptz NOT NULL,
  record jsonb NOT NULL,
  CONSTRAINT activity_record_once PRIMARY KEY (org_id, id, day)
) PARTITION BY RANGE (day);
CREATE INDEX activity_record_by_time ON activity_record (org_id, type, occurred_at DESC);

-- What each agent does now: outlives the activity that it was told by.
CREATE TABLE agent_state (
  org_id text NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
  agent text COLLATE "C" NOT NULL,
  state text NOT NULL,
  since timestamptz NOT NULL,
  record_id uuid NOT NULL,
  node_id text NOT NULL,
  call_id uuid,
  PRIMARY KEY (org_id, agent)
);

-- Makes a day's partition where it is missing. Attaching, other than creating in place, lets inserts and lists go on meanwhile.
CREATE FUNCTION make_log_partition(parent text, day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE child text := parent || '_p' || to_char(day, 'YYYYMMDD')
; BEGIN
  IF to_regclass(child) IS NOT NULL THEN RETURN false
  ; END IF
  ; EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', child, parent)
  ; EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child, day, day + 1)
  ; RETURN true
; END $$;

CREATE FUNCTION delete_organization_records() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM call_record WHERE org_id = OLD.id
  ; DELETE FROM call_event WHERE org_id = OLD.id
  ; DELETE FROM activity_record WHERE org_id = OLD.id
  ; RETURN OLD
; END $$;
CREATE TRIGGER organization_records AFTER DELETE ON organization FOR EACH ROW EXECUTE FUNCTION delete_organization_records();

-- The day of a UUIDv7; today for an id that is none, or whose time cannot be.
CREATE FUNCTION day_of_0001(id uuid) RETURNS date LANGUAGE sql STABLE AS $$
  SELECT CASE
    WHEN substr(id::text, 15, 1) = '7' AND ms >= 1577836800000 AND to_timestamp(ms / 1000) <= now() + interval '1 day'
    THEN (to_timestamp(ms / 1000) AT TIME ZONE 'UTC')::date
    ELSE (now() AT TIME ZONE 'UTC')::date END
  FROM (SELECT ('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint AS ms) AS moment $$;

SELECT make_log_partition('call_record', day) FROM (SELECT DISTINCT day_of_0001(call_id) AS day FROM call_record_0001) AS days;
INSERT INTO call_record (day, id, org_id, call_id, node_id, campaign_id, version, caller, outcome, disposition, started_at, received_at, record)
SELECT day_of_0001(call_id), id, org_id, call_id, node_id, campaign_id, version, caller, outcome, disposition, started_at, received_at, record
FROM call_record_0001;
SELECT make_log_partition('call_event', day) FROM (SELECT DISTINCT day_of_0001(id) AS day FROM call_event_0001) AS days;
INSERT INTO call_event (day, id, org_id, call_id, seq, occurred_at, record)
SELECT day_of_0001(id), id, org_id, call_id, seq, occurred_at, record FROM call_event_0001;
SELECT make_log_partition('activity_record', day) FROM (SELECT DISTINCT day_of_0001(id) AS day FROM activity_record_0001) AS days;
INSERT INTO activity_record (day, id, org_id, type, occurred_at, record)
SELECT day_of_0001(id), id, org_id, type, occurred_at, record FROM activity_record_0001;

INSERT INTO agent_state (org_id, agent, state, since, record_id, node_id, call_id)
SELECT DISTINCT ON (org_id, record->>'agent') org_id, record->>'agent', record->>'state', (record->>'since')::timestamptz, id,
  record->>'node_id', (record->>'call_id')::uuid
FROM activity_record_0001 WHERE type = 'agent' ORDER BY org_id, record->>'agent', (record->>'since')::timestamptz DESC, id DESC;

DROP FUNCTION day_of_0001(uuid);
DROP TABLE call_record_0001;
DROP TABLE call_event_0001;
DROP TABLE activity_record_0001;
