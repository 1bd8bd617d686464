import { POSTGRES_URL, postgresSkipReason, startPostgresServer } from './postgres.ts';

/** One Postgres server for the whole run: each test makes databases of its own on it. In CI it has to be there. */
export async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env[POSTGRES_URL]) return undefined;
  const reason = postgresSkipReason();
  if (reason) {
    if (process.env['CI']) throw new Error(reason);
    return undefined;
  }
  const server = await startPostgresServer();
  process.env[POSTGRES_URL] = server.url;
  return () => server.stop();
}
