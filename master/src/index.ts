export { type Database, POSTGRES_TYPES, pgliteDatabase, postgresDatabase } from './database/index.ts';
export { DEMO, ensureDemo } from './demo.ts';
export { createMaster, type Master } from './master.ts';
export { checkRedisSettings, redisOf } from './redis-settings.ts';
export { DATABASE_VARIABLES, MASTER_VARIABLES, poolConfig, type ServiceSettings } from './settings.ts';
