export { askWithKeys } from './ask.ts';
export { createKeyRing, type KeyRing, type OrgKeys } from './key-ring.ts';
export { readKeysFolder } from './keys-folder.ts';
export { watchKeysFolder } from './watch-folder.ts';
