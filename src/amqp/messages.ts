import { z } from 'zod'
import { toldFields } from '../record/fields.ts'
import { gatewayReportSchema } from './gateway-report.ts'

/** Version of the opening protocol, docs/protocol.md. */
export const PROTOCOL_VERSION = 1

export const ADDRESS = {
  /** Openings go here, with a dynamic reply-to. */
  open: 'headrace/open',
  /** Gateways ask for certificates here. */
  identity: 'headrace/identity',
  /** Multicast: sessions that are taken over are announced here. */
  control: 'headrace/ctl',
  /** Data of one gateway in one session: the session in the address is the takeover. */
  data: (gateway: string, session: number) => `headrace/in/${gateway}/${session}`,
} as const

/** Queues of a broker that stores and forwards; every one of them anycast. */
export const QUEUE = {
  /** Openings; any ingress takes them. */
  open: 'headrace.open',
  /** Questions about certificates; the ingress that has the authority takes them. */
  identity: 'headrace.identity',
  /** Batches of one gateway, in order: durable, and for one ingress at a time. */
  data: (gateway: string) => `headrace.in.${gateway}`,
  /** What the core asked the gateway to send again, past whatever waits in the data queue. */
  again: (gateway: string) => `headrace.again.${gateway}`,
  /** What the core asks of the gateway. */
  control: (gateway: string) => `headrace.ctl.${gateway}`,
} as const

/** Terminus capability under which a broker takes an address for a queue of its own, and not for a topic. */
export const QUEUE_CAPABILITIES = ['queue'] as const

const DATA_ADDRESS = /^headrace\/in\/([a-z0-9][a-z0-9-]{0,62})\/(\d{1,16})$/

export function parseDataAddress(address: string): { gateway: string; session: number } | undefined {
  const match = DATA_ADDRESS.exec(address)
  return match ? { gateway: match[1] as string, session: Number(match[2]) } : undefined
}

/** A 64-bit number in JSON: decimal text, since other languages' parsers lose digits of a number. */
const int64Text = z
  .string()
  .regex(/^-?\d{1,16}$/)
  .transform(Number)
  .refine(Number.isSafeInteger)

/** A number of a source, or where one is to stand. */
const placeText = int64Text.refine(number => number >= 0)

/** Sessions are counted, so that none comes near: one that is named beyond is no session, and a gateway that went above it could never open again. */
const SESSION_MAX = 2 ** 52

const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/)

/** A gateway may have this many sources in one opening. */
export const SOURCES_IN_OPENING_MAX = 10_000

/**
 * A source in an opening. What was added later may be missing, and is left out where it cannot be read: a gateway of another version gets its records
 * through all the same.
 */
const openSourceSchema = z.object({
  source: name,
  topic: z.string().min(1).max(249),
  /** What is known of its records' fields; kept by the registry for readers. */
  fields: toldFields.optional().catch(undefined),
  /** It is read no more, and the log has all that there was: to be marked so in the registry. */
  retired: z.literal(true).optional().catch(undefined),
})
export type OpenSource = z.output<typeof openSourceSchema>

export const openRequestSchema = z.object({
  version: z.literal(PROTOCOL_VERSION),
  gateway: name,
  instance: z.string().min(8).max(64),
  session: int64Text,
  sources: z.array(openSourceSchema).max(SOURCES_IN_OPENING_MAX),
  /** Sources for which an operator asked for a new epoch (`source resume`). */
  resume: z.array(name).max(SOURCES_IN_OPENING_MAX).optional(),
  /** Asks for the ends of these sources within the session named, which stays as it is; only its holder answers. */
  ask: z.literal('ends').optional(),
  /** With `ask`: how the gateway stands, for those who look at the core. A core that does not know it passes over it. */
  report: gatewayReportSchema.optional(),
})
export type OpenRequest = z.output<typeof openRequestSchema>

const lastBatchSchema = z.object({ sequence: placeText, count: z.int().min(1), crc: z.int().min(0).max(0xffffffff) })

export const openedSourceSchema = z.union([
  z.object({ source: name, error: z.object({ code: z.string(), message: z.string(), advice: z.string() }) }),
  z.object({
    source: name,
    topic: z.string(),
    partition: z.int().min(0),
    producerId: placeText,
    epoch: z.int().min(0).max(32_767),
    /** A difference to it is all that is reckoned with: whoever has seeded a registry may have put it below 0. */
    epochStart: int64Text,
    end: placeText,
    last: lastBatchSchema.nullable(),
    /** Identity of the topic: another one than last time is another log. */
    topicId: z.string(),
    /** The registry has it as retired, as this gateway asked. */
    retired: z.literal(true).optional().catch(undefined),
    /** The largest batch that the topic takes, bytes: what is cut from now on should be no larger. */
    batchBytesMax: z.int().min(1).optional(),
  }),
])
export type OpenedSource = z.output<typeof openedSourceSchema>

export const openReplySchema = z.union([
  z.object({
    version: z.literal(PROTOCOL_VERSION),
    session: placeText.refine(session => session <= SESSION_MAX),
    error: z.object({ code: z.string(), message: z.string(), advice: z.string() }),
  }),
  z.object({
    version: z.literal(PROTOCOL_VERSION),
    session: int64Text,
    log: z.string(),
    sources: z.array(openedSourceSchema),
    /** Where the core limits what this gateway sends: without credit for `silenceMs` a session may yet be good. */
    quota: z
      .object({
        bytesPerSecond: z.number().positive().optional(),
        recordsPerSecond: z.number().positive().optional(),
        silenceMs: z.int().min(0).max(600_000),
      })
      .optional(),
  }),
])
export type OpenReply = z.output<typeof openReplySchema>

/** Codes of an opening's errors; docs/protocol.md says what a gateway does on each. */
export const OPEN_ERROR = {
  /** The session is not above the newest known, which the reply's `session` names: go one above it. */
  sessionNotNew: 'session_not_new',
  /** Another instance writes as this gateway: an operator has to say which is real. */
  otherInstance: 'other_instance',
  malformed: 'malformed',
  notYours: 'not_yours',
  topicRefused: 'topic_refused',
  /** Of one source: the gateway has as many partitions as it may. */
  quota: 'quota',
  version: 'version',
  /** Of one source: its partition cannot be asked now. Ask for it again later. */
  unavailable: 'unavailable',
  /** Of one source: something went wrong in its partition that only `headrace source resume` ends. */
  frozen: 'frozen',
} as const

/** Conditions of the errors with which data links and data messages are refused. Every rejected message freezes its source. */
export const REFUSAL = {
  /** The link's session is not the newest of its gateway: open again. */
  sessionNotNewest: 'headrace:session-not-newest',
  /** The peer may not write as this gateway. */
  notYours: 'headrace:not-yours',
  /** The message is not what was opened: another gateway or session, a source that was not opened, a batch of another producer. */
  notOpened: 'headrace:not-opened',
  /** The batch breaks a rule of docs/protocol.md. */
  badBatch: 'headrace:bad-batch',
  /** The log says what cannot be: somebody else writes to this partition, or its numbers and offsets went apart. */
  freeze: 'headrace:freeze',
} as const

/** Application properties of a data message. */
export const PROPERTY = {
  gateway: 'gateway',
  session: 'session',
  source: 'source',
  sequence: 'sequence',
  count: 'count',
  /** `not_kept`: no batch; the gateway says that it has these numbers no more. */
  kind: 'kind',
} as const

export const NOT_KEPT = 'not_kept'

/** Multicast on `headrace/ctl`: a session that was opened, so that whoever holds an older one lets it go. */
export const takeoverSchema = z.object({
  version: z.literal(PROTOCOL_VERSION),
  gateway: name,
  session: int64Text,
  core: z.string(),
})
export type Takeover = z.output<typeof takeoverSchema>

export function encodeTakeover(takeover: Takeover): Buffer {
  return Buffer.from(JSON.stringify({ ...takeover, session: String(takeover.session) }))
}

/** What a core asks of a gateway through a broker. */
export const controlSchema = z.discriminatedUnion('ask', [
  /** Numbers [from, to) of a source lie neither in the log nor at hand: send them again. */
  z.object({
    version: z.literal(PROTOCOL_VERSION),
    ask: z.literal('again'),
    source: name,
    epoch: z.int().min(0),
    from: placeText,
    to: placeText,
  }),
  /** The source is frozen in this epoch. */
  z.object({
    version: z.literal(PROTOCOL_VERSION),
    ask: z.literal('freeze'),
    source: name,
    epoch: z.int().min(0),
    error: z.object({ code: z.string(), message: z.string(), advice: z.string() }),
  }),
])
export type ControlMessage = z.output<typeof controlSchema>

export function encodeControl(message: ControlMessage): Buffer {
  return Buffer.from(
    JSON.stringify(message.ask === 'again' ? { ...message, from: String(message.from), to: String(message.to) } : message),
  )
}

/** JSON with 64-bit numbers as text, the way the schemas above read it. */
export function encodeOpenRequest(request: OpenRequest): Buffer {
  return Buffer.from(JSON.stringify({ ...request, session: String(request.session) }))
}

export function encodeOpenReply(reply: OpenReply): Buffer {
  const sources =
    'sources' in reply
      ? {
          sources: reply.sources.map(entry =>
            'error' in entry
              ? entry
              : {
                  ...entry,
                  producerId: String(entry.producerId),
                  epochStart: String(entry.epochStart),
                  end: String(entry.end),
                  last: entry.last && { ...entry.last, sequence: String(entry.last.sequence) },
                },
          ),
        }
      : {}
  return Buffer.from(JSON.stringify({ ...reply, ...sources, session: String(reply.session) }))
}
