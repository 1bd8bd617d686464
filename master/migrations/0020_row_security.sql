-- Every table of tenants shows and takes only the rows of the organization that the transaction is for: `voiceoi.org`, or all of them with `*`. FORCE:
-- the owner of the tables too. Superusers are above it, so that requests of such a connection run as this role. Partitions are reached through their
-- parents alone. A semicolon within a block stands at the start of a line.
DO $$ BEGIN
  CREATE ROLE voiceoi_tenant NOLOGIN NOSUPERUSER NOBYPASSRLS
; EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL
  ; WHEN insufficient_privilege THEN RAISE NOTICE 'no role of its own for requests: this user is bound by row-level security itself'
; END $$;

DO $$ DECLARE tenant record
; BEGIN
  FOR tenant IN
    SELECT c.relname AS name, a.attname AS key
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND (a.attname = 'org_id' OR (c.relname = 'organization' AND a.attname = 'id'))
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant.name)
    ; EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant.name)
    ; EXECUTE format('CREATE POLICY tenant ON %I USING (%I = (SELECT current_setting(''voiceoi.org'', true)) OR (SELECT current_setting(''voiceoi.org'', true)) = ''*'')', tenant.name, tenant.key)
    ; IF to_regrole('voiceoi_tenant') IS NOT NULL THEN
      EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO voiceoi_tenant', tenant.name)
    ; END IF
  ; END LOOP
  ; IF to_regrole('voiceoi_tenant') IS NOT NULL THEN
    GRANT SELECT ON instance TO voiceoi_tenant
    ; GRANT SELECT, INSERT, UPDATE ON organization_past TO voiceoi_tenant
    ; GRANT SELECT (id, email, created_at) ON app_user TO voiceoi_tenant
  ; END IF
; END $$;
