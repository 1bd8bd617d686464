import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ServerSentEventReader } from './server-sent-events.ts';

const read = (...pieces: readonly string[]) => {
  const reader = new ServerSentEventReader();
  return pieces.flatMap((piece) => [...reader.push(piece)]);
};

describe('server-sent events', () => {
  test('have a name and data, and need neither an id nor a space behind the colon', () => {
    expect(read('id: e1:7\nevent: change\ndata: {"a":1}\n\nevent:ping\ndata:{}\n\n')).toEqual([
      { event: 'change', data: '{"a":1}' },
      { event: 'ping', data: '{}' },
    ]);
  });

  test('without data are none, comments and unknown fields are passed over, and lines of data are joined', () => {
    expect(read(': hello\n\nevent: nothing\n\nretry: 5\nunknown\ndata: one\ndata: two\n\n')).toEqual([
      { event: 'message', data: 'one\ntwo' },
    ]);
  });

  test('are the same however they are cut, with each kind of line end', () => {
    const events = [
      { event: 'full', data: JSON.stringify({ text: 'ä\n☎' }) },
      { event: 'message', data: '' },
      { event: 'ping', data: 'x: y' },
    ];
    const texts = ['\n', '\r\n', '\r'].map((end) =>
      events.map(({ event, data }) => `event: ${event}${end}data: ${data}${end}${end}`).join(''),
    );
    fc.assert(
      fc.property(fc.constantFrom(...texts), fc.array(fc.nat(120), { maxLength: 12 }), (text, cuts) => {
        const at = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
        const pieces = at.slice(1).map((end, index) => text.slice(at[index], end));
        expect(read(...pieces)).toEqual(events);
      }),
    );
  });

  test('are not cut by a piece of nothing within a line end', () => {
    expect(read('event: full\r', '', '\ndata: x\r\n\r\n')).toEqual([{ event: 'full', data: 'x' }]);
  });

  test('that do not end are given up', () => {
    const reader = new ServerSentEventReader();
    const piece = `data: ${'x'.repeat(16 * 1024 * 1024)}`;
    expect(() => {
      for (let count = 0; count < 9; count++) for (const event of reader.push(piece)) expect(event).toBeUndefined();
    }).toThrow(RangeError);
  });
});
