/** What of a record decides how it is kept: `start` begins a call, `call` is its one record, `event` is a step. */
export type RecordKind = 'start' | 'event' | 'call';

/** A record as text, ready to be sent. */
export interface QueuedRecord {
  readonly text: string;
  readonly kind: RecordKind;
  readonly callId: string;
}

/** The `call` record of a call that was cut. */
export interface KilledRecord extends QueuedRecord {
  /** Another node may play the call until then, and its record is the true one: the first that comes counts. Epoch milliseconds. */
  readonly notBeforeMs?: number;
}

/** A record as the spool keeps it: its text as bytes. */
export interface SpooledRecord {
  readonly bytes: Buffer;
  readonly kind: RecordKind;
  readonly callId: string;
}
