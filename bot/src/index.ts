export { createKeyRing, type KeyRing } from './keys/index.ts';
export { type RunningBot, startBot } from './node.ts';
export { BOT_VARIABLES, type BotSettings } from './settings.ts';
