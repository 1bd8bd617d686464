import type { KeyRing } from '@voiceoi/bot';

/** How soon the node has a key that was rotated. */
const EVERY_MS = 2000;

/**
 * Gives the node the keys that the master of this process has: nobody else would after a rotation, and the old one ends. Without any, as when the
 * organization was deleted, those from before stay. Returns what ends it.
 */
export function followKeys(keys: KeyRing, good: () => Promise<readonly string[]>): () => void {
  const look = async (): Promise<void> => {
    const texts = await good();
    if (texts.length > 0) keys.replace(texts);
  };
  // A database that is away is told of elsewhere.
  const timer = setInterval(() => void look().catch(() => {}), EVERY_MS);
  return () => clearInterval(timer);
}
