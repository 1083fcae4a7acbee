import { type Alert, subjectName } from '../analyser/analyser.ts'
import { loadPipelines } from '../config/load.ts'
import { openLog } from '../log/open.ts'
import type { LogOptions } from '../log/options.ts'
import type { AlertSink } from '../reader/realtime/alert-sink.ts'
import { watchesSource } from '../reader/realtime/definition.ts'
import { Rehearsal } from '../reader/realtime/rehearsal.ts'
import { replayLog } from '../reader/realtime/replay-log.ts'
import { outgoingAlert } from '../reader/realtime/state-entry.ts'
import type { Fields } from '../record/fields.ts'
import { systemClock } from '../runtime/clock.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { silentLogger } from '../runtime/logger.ts'
import { type SourceId, STREAM_GATEWAY, sourceKey } from '../runtime/names.ts'
import { loadAnalyserModules } from './analyser-modules.ts'
import { alertSinks, analyserDefinitions } from './analysers.ts'

/** How often the clock is told between records, ms: as often as a core would. */
const TICK_EVERY_MS = 100

export interface ReplayRequest {
  readonly file: string
  readonly log: { readonly options: LogOptions; readonly stateDir: string; readonly name: string }
  readonly from: number
  readonly to: number
  readonly analyser?: string
  readonly alerts?: true
  say(line: string, json: object): void
}

export interface ReplayResult {
  readonly records: number
  readonly sources: number
  readonly alerts: number
  readonly derived: number
}

/** Runs analysers over the records whose event time lies in [from, to). */
export async function replay(request: ReplayRequest): Promise<ReplayResult> {
  const { file, from, to, analyser, say } = request
  const pipelines = loadPipelines([file])
  const all = analyserDefinitions(pipelines, await loadAnalyserModules(pipelines), 'anywhere')
  const definitions = all.filter(({ name }) => analyser === undefined || name === analyser)
  if (definitions.length === 0) {
    throw new HeadraceError(
      'not_found',
      analyser === undefined ? `${file} has no analysers` : `${file} has no analyser "${analyser}"`,
      {
        advice: `It has: ${all.map(({ name }) => name).join(', ') || 'none'}.`,
      },
    )
  }
  const { options, stateDir, name } = request.log
  const log = await openLog(options, { stateDir, clock: systemClock, random: Math.random, log: silentLogger })
  try {
    const sinks = alertSinks(pipelines, { clock: systemClock, logger: silentLogger, name, log })
    const told: { sink: AlertSink; alert: Alert }[] = []
    const counts = { alerts: 0, derived: 0 }
    const facts = new Map<string, Fields>()
    const rehearsal = new Rehearsal(definitions, {
      factsOf: source => facts.get(sourceKey(source)),
      alert(alert, definition) {
        counts.alerts += 1
        const { timeMs, state, source, message } = alert
        say(`${new Date(timeMs).toISOString()} ${alert.analyser} ${state} ${subjectName(source)}: ${message}`, {
          alert: JSON.parse(outgoingAlert(alert).json),
        })
        for (const each of definition.sinks) {
          const sink = sinks.get(each)
          if (sink) told.push({ sink, alert })
        }
      },
      derived(stream, { timeMs, value }) {
        counts.derived += 1
        say(`${new Date(timeMs).toISOString()} analysers/${stream} ${JSON.stringify(value)}`, { stream, time_ms: timeMs, value })
      },
    })
    const tellAll = async () => {
      for (const { sink, alert } of told.splice(0)) if (request.alerts) await sink.deliver(outgoingAlert(alert))
    }
    const isMadeHere = ({ gateway, source }: SourceId) =>
      gateway === STREAM_GATEWAY && definitions.some(({ stream }) => stream?.source === source)
    // What these analysers make themselves is not read as well: whoever watches it would see each of its records twice.
    const claims = (await log.claims()).filter(
      ({ source, topic }) => !isMadeHere(source) && definitions.some(each => watchesSource(each, source, topic)),
    )
    if (claims.length === 0) {
      const topics = [...new Set(definitions.map(({ topic }) => topic))].join(', ')
      throw new HeadraceError('not_found', `the log has no source that ${analyser ?? 'an analyser'} of ${file} watches`, {
        advice: `Look at its \`sources\`, and whether the log has records of ${topics}: \`headrace status\` on the core lists what is there.`,
      })
    }
    for (const { source, fields } of claims) if (fields) facts.set(sourceKey(source), fields)
    let records = 0
    let nowMs = Number.NEGATIVE_INFINITY
    let tickedMs = Number.NEGATIVE_INFINITY
    for await (const { claim, batch } of replayLog(log, claims, { fromMs: from, toMs: to })) {
      for (const record of batch) {
        records += 1
        nowMs = Math.max(nowMs, record.timeMs)
        // Before the record: a silence that it ends was one.
        if (nowMs - 1 - tickedMs >= TICK_EVERY_MS) {
          tickedMs = nowMs - 1
          rehearsal.tick(tickedMs)
        }
        rehearsal.record(claim.source, claim.topic, record, nowMs)
      }
      await tellAll()
    }
    rehearsal.tick(to)
    await tellAll()
    for (const sink of sinks.values()) sink.close?.()
    return { records, sources: claims.length, ...counts }
  } finally {
    await log.close()
  }
}
