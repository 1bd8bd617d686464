import Type, { type Static, type TSchema } from 'typebox';
import { validationFailed } from './problems.ts';

/** `limit` and `cursor` of every list. */
export const ListQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50, description: 'Items of one page' })),
  cursor: Type.Optional(Type.String({ maxLength: 1000, description: '`next_cursor` of the page before' })),
};

/** One page; `next_cursor` is null at the end. */
export function Page<T extends TSchema>(item: T) {
  return Type.Object({ items: Type.Array(item), next_cursor: Type.Union([Type.String(), Type.Null()]) });
}

/** What a list was asked for. */
export interface PageRequest {
  readonly limit: number;
  /** Sort keys of the last item of the page before. */
  readonly after: readonly string[] | undefined;
}

const Cursor = Type.Array(Type.String(), { minItems: 1, maxItems: 4 });

/** @throws ProblemError for a cursor that is none */
export function pageRequest(query: { readonly limit?: number; readonly cursor?: string }, keys: number): PageRequest {
  return { limit: query.limit ?? 50, after: query.cursor === undefined ? undefined : readCursor(query.cursor, keys) };
}

function readCursor(text: string, keys: number): Static<typeof Cursor> {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    if (
      Array.isArray(value) &&
      value.length === keys &&
      value.every((item) => typeof item === 'string' && !item.includes('\0'))
    )
      return value as string[];
  } catch {
    // Told below.
  }
  throw validationFailed([{ path: 'cursor', message: 'is not a cursor of this list' }]);
}

/** A page of rows that were asked for with one more than `limit`. */
export function pageOf<Row, Item>(
  rows: readonly Row[],
  { limit }: PageRequest,
  item: (row: Row) => Item,
  keysOf: (row: Row) => readonly string[],
): { items: Item[]; next_cursor: string | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const hasMore = rows.length > limit && last !== undefined;
  return {
    items: page.map(item),
    next_cursor: hasMore ? Buffer.from(JSON.stringify(keysOf(last))).toString('base64url') : null,
  };
}
