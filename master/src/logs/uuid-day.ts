const DAY_MS = 86_400_000;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
/** No node is older. */
export const EARLIEST_MS = Date.UTC(2020, 0, 1);

/** Epoch milliseconds at which a UUIDv7 was made; undefined for another UUID. */
export function uuidTime(id: string): number | undefined {
  return UUID_V7.test(id) ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined;
}

/** The day of a moment, as a partition has it: `2026-11-24` in UTC. */
export function dayOf(epochMs: number): string {
  const start = Math.floor(epochMs / DAY_MS) * DAY_MS;
  if (start !== rememberedStart) {
    rememberedDay = new Date(start).toISOString().slice(0, 10);
    rememberedStart = start;
  }
  return rememberedDay;
}
// Records come by the thousand, and nearly all of them are of one day.
let rememberedStart = Number.NaN;
let rememberedDay = '';

/** The day before or after by so many. */
export function shiftDay(day: string, days: number): string {
  return dayOf(Date.parse(`${day}T00:00:00.000Z`) + days * DAY_MS);
}

/** When records may have been made, by their UUIDv7: as long ago as is kept, and no more than a day ahead of this clock. */
export interface TimeBounds {
  readonly fromMs: number;
  readonly toMs: number;
}

/** `retentionDays` 0: all is kept. */
export function timeBounds(now: number, retentionDays: number): TimeBounds {
  const oldest = Date.parse(shiftDay(dayOf(now), -retentionDays));
  return { fromMs: retentionDays === 0 ? EARLIEST_MS : Math.max(oldest, EARLIEST_MS), toMs: now + DAY_MS };
}

/** The partition that holds what is stored once by this id; undefined when only a search through all can tell. */
export function partitionDay(id: string, now: number): string | undefined {
  const time = uuidTime(id);
  return time === undefined || time < EARLIEST_MS || time > now + 2 * DAY_MS ? undefined : dayOf(time);
}
