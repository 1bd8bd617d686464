import type { Dialect } from './dialect.ts';
import { jambonz } from './jambonz.ts';
import { json } from './json.ts';
import { twiml } from './twiml.ts';

export type { Answer, Dialect, Told } from './dialect.ts';

const DIALECTS: ReadonlyMap<string, Dialect> = new Map(
  [json, twiml, jambonz].map((dialect) => [dialect.name, dialect]),
);

/** The dialect that `?dialect=` names; `json` without one. */
export function dialectOf(query: URLSearchParams): Dialect | undefined {
  return DIALECTS.get(query.get('dialect') ?? 'json');
}
