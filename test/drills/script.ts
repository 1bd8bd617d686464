/** A script that plays one sound twice, so that a call that changed its version on the way would be heard. */
export function script(prompt: string): { [name: string]: unknown } {
  return {
    schema: 'voiceoi/script/v1',
    entry: 'a',
    steps: {
      a: { type: 'answer', next: 'b' },
      b: { type: 'play', prompts: [prompt], next: 'c' },
      c: { type: 'play', prompts: [prompt], next: 'd' },
      d: { type: 'return', disposition: prompt.toUpperCase() },
    },
  };
}
