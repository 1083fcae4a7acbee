/** Every error that Headrace itself raises has one of these codes; the list is closed, so that a reader can look each one up. */
export const ERROR_CODES = [
  'config_invalid', // what a person wrote in a file or on the command line is wrong
  'config_unreadable',
  'batch_truncated',
  'batch_malformed',
  'batch_crc',
  'batch_too_large',
  'batch_unsupported',
  'limit_exceeded', // a bound with a name was reached
  'buffer_corrupt',
  'buffer_full',
  'disk_full',
  'disk_unusable', // a file of the state directory cannot be opened, read or written, for another reason
  'state_damaged', // a file of the state directory does not hold what was written
  'state_locked', // another process uses this state directory
  'log_unavailable', // try again: the caller knows when
  'topic_refused', // a topic of that name holds other data, or is set so that nothing can be promised
  'claim_refused',
  'offset_out_of_range',
  'group_in_use', // a consumer group has members whose offsets still move
  'protocol_violation', // a peer does not speak the protocol of docs/protocol.md
  'link_refused',
  'link_lost',
  'timeout',
  'source_failed',
  'command_failed', // a batch job's or an alert's command
  'analyser_failed', // an analyser threw: its own code, or a defect of ours
  'not_running',
  'not_found',
  'interrupted',
  'internal', // an invariant does not hold: a defect of ours
] as const

export type ErrorCode = (typeof ERROR_CODES)[number]

/** An error that talks to the person who can act: what and where in `message`, what to do in `advice`. */
export class HeadraceError extends Error {
  readonly code: ErrorCode
  readonly advice: string | undefined

  constructor(code: ErrorCode, message: string, options: { advice?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'HeadraceError'
    this.code = code
    this.advice = options.advice
  }
}

/** Stops the process's work where an invariant is broken: going on could lose or repeat records. */
export function assert(condition: unknown, claim: string): asserts condition {
  if (!condition) throw new HeadraceError('internal', `invariant broken: ${claim}`)
}

const FILE_REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'what is before its name is no folder',
  EISDIR: 'it is a folder',
  EACCES: 'this user may not read it',
  EPERM: 'this user may not read it',
  ENOSPC: 'there is no room left',
}

/** Why a file cannot be read, or written on, where the sentence names it already: the system's own words repeat its path, and its code is for programs. */
export function fileReasonOf(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
  return FILE_REASONS[code] ?? messageOf(thrown)
}

/** The text of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message
  // Some libraries (modbus-serial) throw what has a message and is no Error.
  const message = typeof thrown === 'object' && thrown !== null && 'message' in thrown ? thrown.message : undefined
  return typeof message === 'string' ? message : String(thrown)
}
