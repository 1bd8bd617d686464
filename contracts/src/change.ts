import Type, { type Static } from 'typebox';
import { Bundle } from './bundle.ts';
import { Epoch, OrgId, Revision, Sha256, Timestamp } from './ids.ts';

/** One object that a revision put or deleted. A script's id is `<script_id>@<version>`, that of settings is `settings`. */
export const ChangeItem = Type.Object({
  op: Type.Union([Type.Literal('put'), Type.Literal('delete')]),
  kind: Type.Union([
    Type.Literal('campaign'),
    Type.Literal('script'),
    Type.Literal('settings'),
    Type.Literal('secret'),
  ]),
  id: Type.String({ minLength: 1, maxLength: 128 }),
  object: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
});
export type ChangeItem = Static<typeof ChangeItem>;

/**
 * A signed step of an organization's configuration from revision `from` to `to` (sync-protocol.md, Change).
 * `sha256` is that of the whole bundle after applying. Over 64 KiB `changes` is left out and `hint` is true.
 */
export const Change = Type.Object({
  v: Type.Literal(1),
  epoch: Epoch,
  org_id: OrgId,
  from: Revision,
  to: Revision,
  committed_at: Timestamp,
  changes: Type.Optional(Type.Array(ChangeItem)),
  hint: Type.Optional(Type.Boolean()),
  sha256: Sha256,
  kid: Type.String({ pattern: '^[0-9]{1,10}$' }),
  sig: Type.String({ pattern: '^[0-9a-f]{64}$' }),
});
export type Change = Static<typeof Change>;

/** Answer to `GET /api/sync/campaigns?since=&epoch=`: the master chooses what to send. */
export const SyncAnswer = Type.Object({
  intent: Type.Union([Type.Literal('none'), Type.Literal('changes'), Type.Literal('full')]),
  changes: Type.Optional(Type.Array(Change)),
  bundle: Type.Optional(Bundle),
});
export type SyncAnswer = Static<typeof SyncAnswer>;
