export { NO_SECRETS, type OpenedSecrets, openSecrets } from './open-secrets.ts';
