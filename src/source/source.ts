import { resolve } from 'node:path'
import type { z } from 'zod'
import type { Fields } from '../record/fields.ts'
import type { RecordHeader } from '../record/record.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import type { SourceId } from '../runtime/names.ts'
import type { SharedParts } from './shared-parts.ts'

/** What a source is doing now, as `status` shows it. */
export type SourceState = 'starting' | 'waiting' | 'reading' | 'blocked' | 'stopped'

/** One stream among several of a source, such as a connection: framed apart from the others. */
export interface SourceStream extends Pick<SourceContext, 'bytes' | 'interrupted'> {
  /** The stream has come to its proper end: what is left is a record too, where the framing allows. */
  ended(): void
}

/** What a source may use; it never sees the buffer, the link or the clock of the machine. */
export interface SourceContext {
  readonly source: SourceId
  readonly clock: Clock
  readonly log: Logger
  readonly random: () => number
  /**
   * Hands on bytes as they came from a line or stream; they are framed and decoded as the pipeline file declares. `receivedMs` is the wall
   * clock's time at which they were read. Returns false where the buffer is full and the source has to stop reading until `resume` is called.
   */
  bytes(chunk: Buffer, receivedMs: number): boolean
  /** A stream of its own, for sources that read several at once. */
  stream(): SourceStream
  /** Hands on one whole message, which is decoded but not framed. Same answer as {@link bytes}. */
  message(value: Buffer, timeMs: number, headers?: readonly RecordHeader[], bookmark?: string): boolean
  /** The bookmark of the newest record that is on disk: it was stored in one transaction with it. Where a source that can be asked again goes on. */
  bookmark(): string | undefined
  /** The stream broke off: what is half read is not to be joined with what comes after. */
  interrupted(): void
  /** Resolves when all that was handed on before is on disk: for devices that are told that their reading was taken. */
  stored(): Promise<void>
  state(state: SourceState, reason?: string): void
  /** Counts something that went wrong but did not end the source (a garbled answer, an overrun). */
  trouble(what: string, times?: number): void
  /**
   * Its loop goes on, and takes its next turn within `withinMs`, whatever a device does: it gives up by then. Without one it waits for what may never
   * come. A loop that stays away for longer has lost its way, and is said to.
   */
  turn(withinMs?: number): void
  /** Records that came out of what was handed on since the start: tells whether a device that was asked has answered. */
  recordsRead(): number
  /** How many records of this source were ever stored on this gateway: where a source that can give its records again goes on. */
  recordsStored(): number
  /** Records that are buffered and not yet in the log. */
  recordsBuffered(): number
  /** Records are told apart by the pauses between them: what comes has to be handed on when it comes, and not gathered. */
  readonly pausesMatter: boolean
  /** The loss that the pipeline declares, ms; it may change. */
  durabilityMs(): number
  /** Parts that sources of one process use together, such as a bus. */
  readonly shared: SharedParts
  /** Where it is kept which process a source has started, so that one which outlives a killed agent is found; undefined where nothing is to be kept. */
  readonly processFile: string | undefined
}

/** A running source. The constructor touches neither network nor bus nor file; `start` does, and never rejects for a device that is away. */
export interface Source {
  start(): Promise<void>
  /** Ends reading; resolves when nothing more will be handed on. At most a few seconds. */
  stop(): Promise<void>
  /** There is no room: stop reading until {@link resume}. What cannot wait (serial) may go on and be dropped by the buffer's policy. */
  pause(): void
  resume(): void
}

/** One kind of source: schema, defaults, documentation and constructor in one place. */
export interface SourceKind<Options = unknown> {
  /** The key in a pipeline file: `serial: { … }`. */
  readonly kind: string
  readonly summary: string
  /** What a person should know beside the options, such as what of it could be tried on fixtures only. */
  readonly notes?: string
  readonly options: z.ZodType<Options>
  /** `stream`: bytes that want framing. `messages`: whole messages. */
  readonly gives: 'stream' | 'messages'
  /** What the buffer does when it is full, unless the file says otherwise: what can wait blocks, what cannot drops its oldest. */
  readonly whenFull: 'block' | 'drop_oldest'
  /**
   * What no two sources may open with different settings, or at all: a port's path. `shared` is equal for those that may use it together.
   */
  resource?(options: Options): { name: string; shared: string | undefined } | undefined
  /** The options with their relative paths taken from `folder`, where the pipeline file lies. */
  within?(options: Options, folder: string): Options
  /** What is wrong with options that {@link within} has been through and their schema could not see, such as a file that they name. */
  problems?(options: Options): readonly { readonly at: readonly string[]; readonly message: string }[]
  /** The files that it reads and the directories that it looks into, for who looks whether it may; `changes`: it deletes or moves what is in there. */
  files?(options: Options): readonly { readonly path: string; readonly is: 'file' | 'directory'; readonly changes?: boolean }[]
  /** Whether it reads again, from its bookmark, what it had handed on and was not stored. */
  readonly rereads?: true
  /** Records a second, where its options alone say so. */
  rate?(options: Options): number
  /** What is known of the fields of its records, from its options alone. */
  fields?(options: Options): Fields
  /** What the machine that it runs on tells of its fields besides; there may be others. Asked at the start and at each change of the configuration. */
  fieldsHere?(options: Options): Fields
  open(options: Options, context: SourceContext): Source
}

/** Those of `names` that are given, as paths from `folder`. */
export function pathsWithin<Options extends object>(options: Options, folder: string, ...names: (keyof Options)[]): Options {
  const given = names.filter(name => typeof options[name] === 'string')
  return { ...options, ...Object.fromEntries(given.map(name => [name, resolve(folder, String(options[name]))])) }
}

/** Keeps the options' type while kinds are listed together. */
export function defineSource<Options>(kind: SourceKind<Options>): SourceKind<Options> {
  return kind
}
