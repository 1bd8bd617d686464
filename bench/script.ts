/** Times the script language on the demo script: `node --conditions=source bench/script.ts`. Figures of one core, to compare with each other. */
import { advance, type CallContext, compile, demoScript, type EffectResult, start, type Turn } from '@voiceoi/script';

const context: CallContext = {
  facts: {
    id: '01900000-0000-7000-8000-000000000000',
    org_id: 'abc',
    campaign_id: '123',
    script_id: 'demo',
    version: 1,
    node_id: 'bench',
    channel: 'PJSIP/100-00000001',
    unique_id: '1.1',
    caller: { number: '5551234', name: 'Bench' },
    dnid: '',
    context: 'default',
    extension: 's',
    language: 'en',
    args: {},
    started_at_ms: 0,
  },
  lead: {},
  variables: {},
  secrets: new Map(),
};

function resultOf(kind: string): EffectResult {
  if (kind === 'play' || kind === 'say') return { kind: 'played' };
  return kind === 'gather' ? { kind: 'gathered', digits: '1', ended_by: 'max_digits' } : { kind: 'done' };
}

const compiled = compile(demoScript);
if (!compiled.ok) throw new Error('the demo script does not compile');
const { script } = compiled;

/** Plays one call and returns how many turns it had. */
function playCall(): number {
  let turns = 1;
  for (let turn: Turn = start(script, context); turn.effect; turns++) {
    turn = advance(script, context, turn.state, { kind: 'result', at_ms: turns, result: resultOf(turn.effect.kind) });
  }
  return turns;
}

function time(what: string, count: number, act: () => number): void {
  for (let i = 0; i < count / 5; i++) act();
  const began = performance.now();
  let units = 0;
  for (let i = 0; i < count; i++) units += act();
  console.log(`${what}: ${(((performance.now() - began) * 1000) / units).toFixed(2)} µs`);
}

time('turn of the demo script', 20_000, playCall);
time('first turn', 100_000, () => (start(script, context).effect ? 1 : 0));
time('compilation of the demo script', 500, () => (compile(demoScript).ok ? 1 : 0));
