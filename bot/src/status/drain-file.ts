import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DrainState, Timestamp } from '@voiceoi/contracts';
import { writeFileAtomic } from '@voiceoi/kernel';
import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';

const Kept = Type.Object({
  format: Type.Literal(1),
  node_id: Type.String(),
  organizations: Type.Record(
    Type.String(),
    Type.Object({ state: DrainState, issued_at: Type.Union([Timestamp, Type.Null()]) }),
  ),
});
const kept = Compile(Kept);

/** What a node was last told of each organization. */
export type KeptOrders = Static<typeof Kept>['organizations'];

/** Nothing where there is no file, where it is damaged, and where it is another node's: a folder may come to a new owner. Never rejects. */
export async function readOrders(path: string, nodeId: string): Promise<KeptOrders> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    return kept.Check(value) && value.node_id === nodeId ? value.organizations : {};
  } catch {
    return {};
  }
}

export async function writeOrders(path: string, nodeId: string, organizations: KeptOrders): Promise<void> {
  const value: Static<typeof Kept> = { format: 1, node_id: nodeId, organizations };
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFileAtomic(path, `${JSON.stringify(value)}\n`);
}
