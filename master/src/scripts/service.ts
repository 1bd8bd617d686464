import type { SimulateRequest } from '@voiceoi/contracts';
import { canonicalSha256 } from '@voiceoi/kernel';
import {
  compile,
  type Issue,
  type SimulationRequest,
  type SimulationResult,
  simulate,
  type Validation,
  validate,
} from '@voiceoi/script';
import * as audit from '../audit/index.ts';
import type { Database, Queryable } from '../database/index.ts';
import { etagOf, ProblemError, validationFailed } from '../http/index.ts';
import type { Change, Revisions } from '../sync/index.ts';
import { type Difference, diffDocuments } from './diff.ts';
import * as store from './store.ts';

/** A document with what validation says of it. */
export interface Draft {
  readonly document: store.ScriptDocumentJson;
  readonly etag: string;
  readonly validation: Validation;
}

/** What can be done with a script's content. */
export interface ScriptService {
  draft(orgId: string, id: string): Promise<Draft>;
  /** `check` sees the draft's version before it is replaced, and may refuse. */
  saveDraft(
    orgId: string,
    id: string,
    document: store.ScriptDocumentJson,
    check: (draftVersion: number) => void,
  ): Promise<Draft>;
  validate(orgId: string, id: string, document: store.ScriptDocumentJson | undefined): Promise<Validation>;
  /** Makes the draft a version, and tells nodes whose campaigns play it. Returns its number. */
  publish(change: Change, id: string, note: string): Promise<number>;
  /** Makes an old version's content the newest version. Returns its number. */
  rollback(change: Change, id: string, version: number, note: string): Promise<number>;
  diff(orgId: string, id: string, from: string, to: string): Promise<readonly Difference[]>;
  simulate(orgId: string, id: string, request: SimulateRequest): Promise<SimulationResult>;
}

export function scriptService(database: Database, revisions: Revisions): ScriptService {
  const execAllow = async (db: Queryable, orgId: string): Promise<readonly string[] | undefined> => {
    const { rows } = await db.query<{ settings: { exec_allow?: string[] } }>(
      'SELECT settings FROM organization WHERE id = $1',
      [orgId],
    );
    return rows[0]?.settings.exec_allow;
  };
  const draftOf = async (db: Queryable, orgId: string, id: string): Promise<Draft> => {
    const { document, draft_version } = await store.getDraft(db, orgId, id);
    const content = document ?? {};
    return {
      document: content,
      etag: etagOf(draft_version),
      validation: validate(content, { exec_allow: await execAllow(db, orgId) }),
    };
  };
  /** The version of that number, the draft for undefined. */
  const contentOf = async (
    orgId: string,
    id: string,
    version: number | undefined,
  ): Promise<store.ScriptDocumentJson> => {
    if (version === undefined) return (await store.getDraft(database, orgId, id)).document ?? {};
    return (await store.getVersion(database, orgId, id, version)).document;
  };
  const simulated = async (
    orgId: string,
    id: string,
    { document, version }: SimulateRequest,
  ): Promise<store.ScriptDocumentJson> => {
    if (version === undefined) return document ?? contentOf(orgId, id, undefined);
    if (document) throw validationFailed([{ path: '/version', message: 'give a document or a version, not both' }]);
    return (await namedVersion(database, orgId, id, version)).document;
  };
  const publishDocument = async (
    tx: Queryable,
    change: Change,
    id: string,
    document: store.ScriptDocumentJson,
    note: string,
    from?: number,
  ): Promise<number> => {
    const { valid, errors } = validate(document, { exec_allow: await execAllow(tx, change.orgId) });
    if (!valid) throw scriptInvalid(errors);
    const made = { document, sha256: canonicalSha256(document), note, published_by: change.actor };
    const version = await store.insertVersion(tx, change.orgId, id, made);
    await audit.record(tx, {
      orgId: change.orgId,
      action: from === undefined ? 'script.publish' : 'script.rollback',
      target: `script/${id}`,
      before: { version: version === 1 ? null : version - 1 },
      after: { version, sha256: made.sha256, note, ...(from !== undefined && { from }) },
    });
    return version;
  };

  return {
    draft: (orgId, id) => draftOf(database, orgId, id),
    saveDraft: (orgId, id, document, check) =>
      database.transaction(async (tx) => {
        await tx.query('SELECT id FROM script WHERE org_id = $1 AND id = $2 FOR UPDATE', [orgId, id]);
        const before = await store.getDraft(tx, orgId, id);
        check(before.draft_version);
        await store.saveDraft(tx, orgId, id, document);
        const saved = await draftOf(tx, orgId, id);
        await audit.record(tx, {
          orgId,
          action: 'script.save_draft',
          target: `script/${id}`,
          before: { document: before.document, etag: etagOf(before.draft_version) },
          after: { document, etag: saved.etag },
        });
        return saved;
      }),
    validate: async (orgId, id, document) => {
      await store.getScript(database, orgId, id);
      return validate(document ?? (await contentOf(orgId, id, undefined)), {
        exec_allow: await execAllow(database, orgId),
      });
    },
    publish: (change, id, note) =>
      revisions.change(change, async (tx) => {
        const { document } = await store.getDraft(tx, change.orgId, id);
        return publishDocument(tx, change, id, document ?? {}, note);
      }),
    rollback: (change, id, version, note) =>
      revisions.change(change, async (tx) => {
        await store.getScript(tx, change.orgId, id);
        return publishDocument(
          tx,
          change,
          id,
          (await namedVersion(tx, change.orgId, id, version)).document,
          note,
          version,
        );
      }),
    diff: async (orgId, id, from, to) => {
      const side = (name: string): Promise<store.ScriptDocumentJson> =>
        contentOf(orgId, id, name === 'draft' ? undefined : Number(name));
      return diffDocuments(await side(from), await side(to));
    },
    simulate: async (orgId, id, request) => {
      await store.getScript(database, orgId, id);
      const document = await simulated(orgId, id, request);
      const exec_allow = await execAllow(database, orgId);
      const compiled = compile(document, { exec_allow });
      if (!compiled.ok) throw scriptInvalid(compiled.errors);
      const { caller, lead, args, variables, inputs } = request;
      const wanted = {
        inputs,
        started_at_ms: Date.now(),
        ...(caller && { caller }),
        ...(lead && { lead }),
        ...(args && { args }),
        ...(variables && { variables }),
        ...(exec_allow && { exec_allow }),
        secrets: await store.maskedSecrets(database, orgId),
      };
      return simulate(compiled.script, wanted as SimulationRequest);
    },
  };
}

/** A version that a body names. @throws ProblemError (400) when it is not there */
async function namedVersion(db: Queryable, orgId: string, id: string, version: number): Promise<store.VersionRow> {
  const found = await store.findVersion(db, orgId, id, version);
  if (!found) throw validationFailed([{ path: '/version', message: `script "${id}" has no version ${version}` }]);
  return found;
}

function scriptInvalid(errors: readonly Issue[]): ProblemError {
  const [first] = errors;
  return new ProblemError(
    'SCRIPT_INVALID',
    first ? `${first.path || 'the script'}: ${first.message}` : 'the script has errors',
    { errors },
  );
}
