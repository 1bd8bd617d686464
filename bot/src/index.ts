export { type RunningBot, startBot } from './node.ts';
export { BOT_VARIABLES, type BotSettings, checkBotSettings } from './settings.ts';
