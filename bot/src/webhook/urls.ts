/** Parameters of an address that are the node’s own; every other one is an argument of the call. */
const OURS: ReadonlySet<string> = new Set(['dialect', 'state', 'status', 'exp', 'kid', 'sig']);
const MOST_ARGUMENTS = 64;

/** The address of the next request: the one that this request came by, with the new state. */
export function nextUrl(url: string, state: string): string {
  const next = new URL(url);
  next.searchParams.delete('state');
  if (state !== '') next.searchParams.set('state', state);
  return next.href;
}

/** What an address gives to the script as `call.args`. */
export function argumentsOf(query: URLSearchParams): { readonly [name: string]: string } {
  const entries = [...query].filter(
    ([name]) => !OURS.has(name) && !name.startsWith('lead.') && /^[A-Za-z0-9_.-]{1,64}$/.test(name),
  );
  return Object.fromEntries(entries.slice(0, MOST_ARGUMENTS).map(([name, value]) => [name, value.slice(0, 1024)]));
}

/** The target of a request taken apart. The path stays as it came: signatures are over that. */
export function addressOf(target: string): { readonly path: string; readonly query: URLSearchParams } {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  return { path, query: new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1)) };
}
