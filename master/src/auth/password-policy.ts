import { PASSWORD_LENGTH } from '@voiceoi/contracts';
import { validationFailed } from '../http/index.ts';

/** Words that the commonest passwords are made of, alone, repeated, or with digits and signs around them. */
const COMMON_WORDS = new Set(
  `password passwort passw0rd pass passphrase secret mysecret letmein welcome welcomeback login changeme changemenow
  default guest user admin administrator superadmin root master test testing tester demo example voiceoi asterisk vicidial
  qwerty qwertyuiop qwertyuiopasdfghjkl qwertz qwertzuiop azerty azertyuiop asdfgh asdfghjkl zxcvbnm qazwsx qazwsxedc
  qwertyqwerty qweasd qweasdzxc abc abcd abcdef abcdefgh abcdefghijkl abcdefghijklm alphabet
  iloveyou iloveyousomuch love lovely loveyou sunshine princess monkey dragon football baseball basketball soccer hockey
  superman batman spiderman starwars pokemon naruto charlie michael jordan jessica ashley daniel thomas anthony
  whatever trustno trustnoone nothing unknown computer internet company office business callcenter
  summer winter spring autumn monday january december hello helloworld freedom liverpool chelsea arsenal barcelona`.split(
    /\s+/,
  ),
);

const SEQUENCES =
  '01234567890123456789 98765432109876543210 qwertyuiopasdfghjklzxcvbnm abcdefghijklmnopqrstuvwxyz'.split(' ');

/**
 * A password that somebody chooses must be long, and not among the first that somebody else would try.
 * @throws ProblemError naming `path`
 */
export function checkNewPassword(password: string, email: string, path: string): void {
  const reason = weakness(password.normalize('NFKC').toLowerCase(), email.toLowerCase());
  if (reason) throw validationFailed([{ path, message: reason }]);
}

function weakness(password: string, email: string): string | undefined {
  if ([...password].length < PASSWORD_LENGTH) return `must have ${PASSWORD_LENGTH} characters or more`;
  const [name = ''] = email.split('@');
  const core = letters(password);
  if (password === email || core === letters(email) || (name.length > 2 && core === letters(name)))
    return 'must not be the e-mail address';
  const isSequence = SEQUENCES.some((sequence) => sequence.includes(password));
  if (isSequence || isRepeated(password) || isCommon(core)) return 'is one of the commonest passwords';
  return undefined;
}

/** Without the digits and signs that people put around a word. */
function letters(text: string): string {
  return text.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, '');
}

/** A piece of up to six characters over and over. */
function isRepeated(password: string): boolean {
  return /^(.{1,6})\1+.{0,5}$/su.test(password);
}

/** A common word, or several of them and nothing else but digits and signs. */
function isCommon(core: string): boolean {
  if (COMMON_WORDS.has(core)) return true;
  const words = core.split(/[^\p{L}]+/u);
  return words.every(
    (word) => COMMON_WORDS.has(word) || (COMMON_WORDS.has(word.slice(0, word.length / 2)) && isDoubled(word)),
  );
}

function isDoubled(word: string): boolean {
  return word.length % 2 === 0 && word.slice(0, word.length / 2) === word.slice(word.length / 2);
}
