import { systemFunction } from './system-function.ts'

/** poll(2): `struct pollfd` for each descriptor, one behind the other: descriptor (4 bytes), events asked for (2), events that are (2). */
export type Poll = (fds: Buffer, count: number, timeoutMs: number) => number

export const POLL_FD_BYTES = 8
/** There is something to read. Errors and ends come without being asked for. */
export const POLL_IN = 1

/** The system's own; undefined where it cannot be called. */
export function systemPoll(): Promise<Poll | undefined> {
  return systemFunction<Poll>('int poll(void *fds, unsigned long count, int timeout_ms)')
}
