import type { AlertBook, BookedAlert } from '../reader/realtime/alert-book.ts'
import type { Silence } from '../reader/realtime/silences.ts'
import { HeadraceError } from '../runtime/errors.ts'

type Args = Readonly<Record<string, unknown>>

/** What `headrace alerts …` and the console ask of a running core. */
export function alertCalls(book: AlertBook) {
  return {
    alerts: async () => book.alerts().map(alertJson),
    'alerts.acknowledge': async (args: Args) =>
      alertJson(book.acknowledge(String(args['key']), nameOf(args), text(args['note']))),
    'alerts.silences': async () => book.silences().map(silenceJson),
    'alerts.silence': async (args: Args) =>
      silenceJson(
        book.silence({
          analyser: text(args['analyser']) || '*',
          source: text(args['source']) || '*',
          forMs: Number(args['for_ms']),
          by: nameOf(args),
          reason: text(args['reason']),
        }),
      ),
    'alerts.unsilence': async (args: Args) => silenceJson(book.endSilence(Number(args['id']))),
  }
}

export type AlertCalls = ReturnType<typeof alertCalls>
export type AlertJson = ReturnType<typeof alertJson>
export type SilenceJson = ReturnType<typeof silenceJson>

function alertJson({ key, id, analyser, source, state, timeMs, message, values, ...more }: BookedAlert) {
  const { stands, acknowledged, silencedBy } = more
  return {
    key,
    analyser,
    pipeline: id.slice(0, id.indexOf('.')),
    source,
    state,
    time: iso(timeMs),
    message,
    values,
    stands,
    acknowledged: acknowledged && { by: acknowledged.by, at: iso(acknowledged.atMs), note: acknowledged.note },
    silenced_by: silencedBy,
  }
}

function silenceJson({ id, analyser, source, startedMs, untilMs, by, reason }: Silence) {
  return { id, analyser, source, started: iso(startedMs), until: iso(untilMs), by, reason }
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}

const TEXT_LENGTH_MAX = 500

/** Words of a person; kept, so they have a bound. */
function text(value: unknown): string {
  const words = value === undefined || value === null ? '' : String(value)
  if (words.length <= TEXT_LENGTH_MAX) return words
  throw new HeadraceError('config_invalid', `a text is longer than ${TEXT_LENGTH_MAX} characters`)
}

/** Who asks: the console says who is logged in, the command line who runs it. */
function nameOf(args: Args): string {
  return text(args['by']) || 'unknown'
}
