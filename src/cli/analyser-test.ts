import type { Alert } from '../analyser/analyser.ts'
import { subjectKey } from '../analyser/analyser.ts'
import type { AnalyserTest } from '../config/analyser-tests.ts'
import type { LoadedPipeline } from '../config/load.ts'
import { type AnalyserDefinition, watchesSource } from '../reader/realtime/definition.ts'
import { Rehearsal } from '../reader/realtime/rehearsal.ts'
import { gapHeader } from '../record/gap.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { parseSourceKey, type SourceId } from '../runtime/names.ts'
import { fieldsOfSource } from './edge-sources.ts'

/** The gateway of sources that a test names without one. */
const TEST_GATEWAY = 'gateway'
/** Records of one test. */
const RECORDS_MAX = 1_000_000
/** How often the clock is told between records, ms: as often as a core would. */
const TICK_EVERY_MS = 250
/** Ticks of one test; a longer one has fewer. */
const TICKS_MAX = 100_000

interface Arrival {
  readonly source: SourceId
  readonly timeMs: number
  readonly arrivesMs: number
  readonly value: Buffer | null
  readonly gap: AnalyserTest['records'][number]['gap']
}

/** What was said and should not have been, and the reverse; both empty where a test passes. */
export interface TestResult {
  /** Lines that tell where expectation and result differ: `  ` both, `- ` only expected, `+ ` only said. Undefined where they do not. */
  readonly difference: readonly string[] | undefined
}

/** Runs one test; throws `config_invalid` where it cannot be run. */
export function runAnalyserTest(
  test: AnalyserTest,
  pipeline: LoadedPipeline,
  definitions: readonly AnalyserDefinition[],
): TestResult {
  const startMs = Date.parse(test.start)
  const chosen = definitions.filter(({ name }) => test.analysers?.includes(name) ?? true)
  const unknown = test.analysers?.find(name => !definitions.some(definition => definition.name === name))
  if (unknown !== undefined) throw new HeadraceError('config_invalid', `there is no analyser "${unknown}" in ${pipeline.file}`)
  checkShows(test, chosen, pipeline.topic)
  const alerts: Alert[] = []
  const streams = new Map<string, { timeMs: number; value: unknown }[]>()
  const facts = new Map(Object.entries(pipeline.config.sources).map(([name, config]) => [name, fieldsOfSource(config)]))
  const rehearsal = new Rehearsal(chosen, {
    factsOf: ({ source }) => facts.get(source),
    alert: alert => void alerts.push(alert),
    derived: (stream, record) => void streams.set(stream, [...(streams.get(stream) ?? []), record]),
  })
  play(rehearsal, arrivalsOf(test, startMs), pipeline.topic, startMs + (test.until ?? 0))

  const difference = [
    ...differences(
      'alerts',
      test.alerts.map(expected => expectedAlertOf(expected)),
      alerts.map(alert => saidAlertOf(alert, startMs)),
    ),
    ...Object.entries(test.streams).flatMap(([stream, expected]) =>
      differences(
        `stream ${stream}`,
        expected.map(({ at, value }) => ({ line: { at_ms: at }, parts: value })),
        (streams.get(stream) ?? []).map(({ timeMs, value }) => ({
          line: { at_ms: timeMs - startMs },
          parts: value as Readonly<Record<string, unknown>>,
        })),
      ),
    ),
  ]
  return { difference: difference.length > 0 ? difference : undefined }
}

/** A test of which nothing can come passes where nothing is expected: a name was mistaken. Some records may be of what nobody is to look at. */
function checkShows(test: AnalyserTest, chosen: readonly AnalyserDefinition[], topic: string): void {
  const isWatched = (source: SourceId) => chosen.some(definition => watchesSource(definition, source, topic))
  const sources = [...new Set(test.records.map(({ source }) => source))]
  if (!sources.some(source => isWatched(sourceNamed(source)))) {
    const named = sources.length === 0 ? 'any source' : sources.join(' or ')
    const message = `no analyser that is tested watches ${named}: whatever the test expects, it shows nothing`
    throw new HeadraceError('config_invalid', message)
  }
  const unmade = Object.keys(test.streams).find(name => !chosen.some(({ stream }) => stream?.source === name))
  if (unmade !== undefined) throw new HeadraceError('config_invalid', `no analyser that is tested makes a stream "${unmade}"`)
}

function play(rehearsal: Rehearsal, arrivals: readonly Arrival[], topic: string, untilMs: number): void {
  const sequences = new Map<string, number>()
  const firstMs = arrivals[0]?.arrivesMs ?? untilMs
  const lastMs = Math.max(untilMs, arrivals.at(-1)?.arrivesMs ?? untilMs)
  const everyMs = Math.max(TICK_EVERY_MS, (lastMs - firstMs) / TICKS_MAX)
  let clockMs = firstMs
  const passTo = (ms: number) => {
    for (clockMs += everyMs; clockMs < ms; clockMs += everyMs) rehearsal.tick(clockMs)
    clockMs = ms
  }
  for (const { source, timeMs, arrivesMs, value, gap } of arrivals) {
    passTo(arrivesMs)
    const key = `${source.gateway}/${source.source}`
    const sequence = sequences.get(key) ?? 0
    sequences.set(key, sequence + 1)
    rehearsal.record(source, topic, { sequence, timeMs, value, headers: gap ? [gapHeader(gap)] : [] }, arrivesMs)
  }
  passTo(lastMs)
  rehearsal.tick(lastMs)
}

/** Every record in the order in which it arrives. */
function arrivalsOf(test: AnalyserTest, startMs: number): Arrival[] {
  const arrivals = test.records.flatMap((record): Arrival[] => {
    const { at, from = 0, to = 0, every = 1, arrives, value = null, gap } = record
    const bytes = value === null ? null : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
    const source = sourceNamed(record.source)
    const count = at === undefined ? Math.max(0, Math.ceil((to - from) / every)) : 1
    if (count > RECORDS_MAX) throw new HeadraceError('config_invalid', `a test has ${count} records; ${RECORDS_MAX} are allowed`)
    return Array.from({ length: count }, (_, index) => {
      const timeMs = startMs + (at ?? from + index * every)
      return { source, timeMs, arrivesMs: startMs + (arrives ?? timeMs - startMs), value: bytes, gap }
    })
  })
  return arrivals.sort((a, b) => a.arrivesMs - b.arrivesMs)
}

function sourceNamed(name: string): SourceId {
  return parseSourceKey(name) ?? { gateway: TEST_GATEWAY, source: name }
}

/** Something said or expected: what has to be equal, and parts of which those expected have to be there. */
interface Item {
  readonly line: Readonly<Record<string, unknown>>
  readonly parts: Readonly<Record<string, unknown>>
}

function expectedAlertOf({ analyser, source, state, at, values }: AnalyserTest['alerts'][number]): Item {
  const name = source === undefined ? '*' : parseSourceKey(source) ? source : `${TEST_GATEWAY}/${source}`
  return { line: { at_ms: at, analyser, source: name, state }, parts: values ?? {} }
}

function saidAlertOf({ timeMs, analyser, source, state, values }: Alert, startMs: number): Item {
  return { line: { at_ms: timeMs - startMs, analyser, source: subjectKey(source), state }, parts: values }
}

/** Lines in which two lists differ, in order of time; none where they agree. */
function differences(what: string, expected: readonly Item[], said: readonly Item[]): string[] {
  const left = [...said]
  const lines: { at: number; text: string; differs: boolean }[] = []
  for (const item of expected) {
    const index = left.findIndex(each => fits(item, each))
    if (index >= 0) left.splice(index, 1)
    lines.push({ at: Number(item.line['at_ms']), text: `${index < 0 ? '-' : ' '} ${textOf(item)}`, differs: index < 0 })
  }
  for (const item of left) lines.push({ at: Number(item.line['at_ms']), text: `+ ${textOf(item)}`, differs: true })
  if (!lines.some(({ differs }) => differs)) return []
  return [`${what}:`, ...lines.sort((a, b) => a.at - b.at).map(({ text }) => `  ${text}`)]
}

function fits(expected: Item, said: Item): boolean {
  const isLine = JSON.stringify(expected.line) === JSON.stringify(said.line)
  return isLine && Object.entries(expected.parts).every(([name, value]) => isSame(value, said.parts[name]))
}

/** Nobody writes sixteen digits: numbers are the same where nine are. */
function isSame(expected: unknown, said: unknown): boolean {
  if (typeof expected === 'number' && typeof said === 'number')
    return Math.abs(expected - said) <= 1e-9 * Math.max(1, Math.abs(expected), Math.abs(said))
  return JSON.stringify(expected) === JSON.stringify(said)
}

function textOf({ line, parts }: Item): string {
  const { at_ms: at, ...rest } = line
  const said = Object.values(rest).join(' ')
  return `${(Number(at) / 1_000).toFixed(3).replace(/\.?0+$/, '')}s ${said}${said === '' ? '' : ' '}${JSON.stringify(parts)}`
}
