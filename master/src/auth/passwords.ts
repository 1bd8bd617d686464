import { argon2, type BinaryLike, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const deriveArgon2 = promisify(argon2);
const deriveScrypt = promisify<
  BinaryLike,
  BinaryLike,
  number,
  { N: number; r: number; p: number; maxmem: number },
  Buffer
>(scrypt);

/** OWASP's choice for argon2id: 19 MiB, two passes. */
const ARGON2 = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 };
const SALT_BYTES = 16;

/** At most so many hashes at once: each takes memory and a thread. */
const AT_ONCE = 2;
let running = 0;
const waiting: (() => void)[] = [];

async function bounded<T>(work: () => Promise<T>): Promise<T> {
  if (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  running++;
  try {
    return await work();
  } finally {
    running--;
    waiting.shift()?.();
  }
}

/** A password as a PHC string (argon2id). */
export async function hashPassword(password: string): Promise<string> {
  const nonce = randomBytes(SALT_BYTES);
  const tag = await bounded(() =>
    deriveArgon2('argon2id', { message: Buffer.from(password.normalize('NFKC')), nonce, ...ARGON2 }),
  );
  return `$argon2id$v=19$m=${ARGON2.memory},t=${ARGON2.passes},p=${ARGON2.parallelism}$${base64(nonce)}$${base64(tag)}`;
}

/** Whether a password belongs to a PHC string (argon2id, or scrypt from elsewhere). An unknown form never fits. */
export async function verifyPassword(password: string, phc: string): Promise<boolean> {
  const message = Buffer.from(password.normalize('NFKC'));
  const argon = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/.exec(phc);
  if (argon) {
    const [, memory, passes, parallelism, salt = '', tag = ''] = argon;
    const options = {
      message,
      nonce: Buffer.from(salt, 'base64'),
      memory: Number(memory),
      passes: Number(passes),
      parallelism: Number(parallelism),
      tagLength: 32,
    };
    return sameTag(await bounded(() => deriveArgon2('argon2id', options)), tag);
  }
  const scrypted = /^\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/.exec(phc);
  if (!scrypted) return false;
  const [, ln, r, p, salt = '', tag = ''] = scrypted;
  const options = { N: 2 ** Number(ln), r: Number(r), p: Number(p), maxmem: 256 * 1024 * 1024 };
  return sameTag(await bounded(() => deriveScrypt(message, Buffer.from(salt, 'base64'), 32, options)), tag);
}

function sameTag(made: Buffer, tag: string): boolean {
  const expected = Buffer.from(tag, 'base64');
  return expected.length === made.length && timingSafeEqual(made, expected);
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
