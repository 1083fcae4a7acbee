import type { EdgeConfig } from '../config/edge.ts'
import type { CheckedPipeline } from '../config/load.ts'
import type { GatewayAnalyserStatus, TakenRecord, Tap, TappedSource } from '../reader/realtime/gateway-runner.ts'
import type { Alarms } from '../runtime/alarms.ts'
import type { Clock } from '../runtime/clock.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import type { AlertCalls } from './alert-calls.ts'
import { type AnalyserModules, loadAnalyserModules } from './analyser-modules.ts'
import type { GatewayAnalysers } from './gateway-analysers.ts'

/** Records of one source that are held while its analysers are started anew; past that the newest are not looked at, with an alarm. */
const HELD_MAX = 100_000

export interface EdgeAnalysersDeps {
  readonly config: EdgeConfig
  readonly clock: Clock
  readonly logger: Logger
  readonly alarms: Alarms
}

/** A source's records on their way to the analysers, whichever run now. */
interface Passage {
  topic: string
  readonly tapped: TappedSource
  inner: Tap | undefined
  /** What came while the analysers were started anew; undefined while they run. */
  held: TakenRecord[] | undefined
}

/**
 * The analysers of a gateway while it runs; the pipelines may change under them. Where any of them changed all are started anew, from the state that they
 * keep on the disk: sources go on being read meanwhile, and what they bring is held and looked at afterwards.
 */
export class EdgeAnalysers {
  readonly #deps: EdgeAnalysersDeps
  readonly #passages = new Map<string, Passage>()
  readonly #open: () => Promise<GatewayAnalysers | undefined>
  #runner: GatewayAnalysers | undefined
  #facts: string
  #isChanging = false

  private constructor(deps: EdgeAnalysersDeps, pipelines: readonly CheckedPipeline[], modules: AnalyserModules) {
    this.#deps = deps
    this.#facts = factsOf(pipelines)
    this.#open = () => openRunner(pipelines, modules, deps)
  }

  /** Touches nothing but the modules; rejects with a {@link ConfigError} where one of them cannot be loaded. */
  static async load(pipelines: readonly CheckedPipeline[], deps: EdgeAnalysersDeps): Promise<EdgeAnalysers> {
    return new EdgeAnalysers(deps, pipelines, await loadAnalyserModules(pipelines))
  }

  /** Opens their state, which is this process's alone: whoever calls has the lock of its directory. */
  async start(): Promise<void> {
    this.#runner = await this.#open()
    this.#runner?.start()
  }

  async stop(): Promise<void> {
    await this.#runner?.stop()
  }

  status(): GatewayAnalyserStatus[] {
    return this.#runner?.status() ?? []
  }

  /** What `headrace alerts …` asks, whichever analysers run now. */
  calls(): AlertCalls {
    const asking =
      <Name extends keyof AlertCalls>(name: Name) =>
      async (args: Readonly<Record<string, unknown>>): Promise<never> => {
        if (!this.#runner) throw new HeadraceError('not_found', 'no analyser runs on this gateway')
        return (await this.#runner.calls[name](args)) as never
      }
    return {
      alerts: async () => (await this.#runner?.calls.alerts()) ?? [],
      'alerts.acknowledge': asking('alerts.acknowledge'),
      'alerts.silences': async () => (await this.#runner?.calls['alerts.silences']()) ?? [],
      'alerts.silence': asking('alerts.silence'),
      'alerts.unsilence': asking('alerts.unsilence'),
    }
  }

  /** Where a source's records pass. */
  tap(source: string, topic: string, tapped: TappedSource): Tap {
    const inner = this.#isChanging ? undefined : this.#runner?.tap(source, topic, tapped)
    const passage: Passage = { topic, tapped, inner, held: this.#isChanging ? [] : undefined }
    this.#passages.set(source, passage)
    return {
      take: (timeMs, bytes, from, to, headers = []) => {
        if (!passage.held) passage.inner?.take(timeMs, bytes, from, to, headers)
        else if (passage.held.length < HELD_MAX)
          passage.held.push({ timeMs, value: Buffer.from(bytes.subarray(from, to)), headers })
        else this.#sayBehind(source)
      },
    }
  }

  /** The source is not read any more. */
  untap(source: string): void {
    this.#passages.delete(source)
  }

  /**
   * Loads what these pipelines need, and gives what takes them over: undefined where nothing changed. Rejects before anything is changed; what is given
   * never does, since sources have been changed by then.
   */
  async prepare(pipelines: readonly CheckedPipeline[]): Promise<(() => Promise<void>) | undefined> {
    const facts = factsOf(pipelines)
    if (facts === this.#facts) return undefined
    const modules = await loadAnalyserModules(pipelines)
    return () => this.#change(pipelines, modules, facts)
  }

  async #change(pipelines: readonly CheckedPipeline[], modules: AnalyserModules, facts: string): Promise<void> {
    const { logger, alarms } = this.#deps
    const topics = topicsOf(pipelines)
    this.#isChanging = true
    for (const [source, passage] of this.#passages) {
      passage.topic = topics.get(source) ?? passage.topic
      passage.held = []
    }
    let left: ReadonlyMap<string, readonly TakenRecord[]> = new Map()
    try {
      left = (await this.#runner?.stop()) ?? left
      this.#runner = undefined
      this.#runner = await openRunner(pipelines, modules, this.#deps)
      this.#facts = facts
      alarms.clear('analysers_stalled')
    } catch (error) {
      // The next change of the files tries again.
      this.#facts = ''
      logger.error({}, `the changed analysers could not be started: ${messageOf(error)}`)
      alarms.raise('analysers_stalled', {
        message: `Analysers could not be started anew: ${messageOf(error)}`,
        advice: 'Look at the disk, then send SIGHUP or start the agent again.',
      })
    }
    this.#isChanging = false
    for (const [source, passage] of this.#passages) this.#goOn(source, passage, left.get(source) ?? [])
    this.#runner?.start()
  }

  #goOn(source: string, passage: Passage, left: readonly TakenRecord[]): void {
    const waiting = [...left, ...(passage.held ?? [])]
    passage.held = undefined
    passage.inner = this.#runner?.tap(source, passage.topic, passage.tapped)
    for (const { timeMs, value, headers } of waiting) passage.inner?.take(timeMs, value, 0, value.length, headers)
  }

  #sayBehind(source: string): void {
    this.#deps.alarms.raise('analysers_behind', {
      source: `${this.#deps.config.gateway}/${source}`,
      message: `Analysers do not see all records of ${source}: they were started anew and it took too long`,
      advice: 'Nothing is lost to the core. Look at what their alerts are sent to: a slow receiver is waited for.',
    })
  }
}

function topicsOf(pipelines: readonly CheckedPipeline[]): Map<string, string> {
  return new Map(pipelines.flatMap(({ topic, config }) => Object.keys(config.sources).map(source => [source, topic])))
}

/** All that the analysers depend on: another text is other analysers. A source that goes must not be missed by them. */
function factsOf(pipelines: readonly CheckedPipeline[]): string {
  const analysed = pipelines.map(({ topic, folder, config }) => [config.pipeline, topic, folder, config.analysers])
  return JSON.stringify([analysed, hasAnalysers(pipelines) ? [...topicsOf(pipelines)] : []])
}

function hasAnalysers(pipelines: readonly CheckedPipeline[]): boolean {
  return pipelines.some(({ config }) => Object.keys(config.analysers).length > 0)
}

/** Only where there are analysers they are loaded: they take their time and memory. */
async function openRunner(
  pipelines: readonly CheckedPipeline[],
  modules: AnalyserModules,
  deps: EdgeAnalysersDeps,
): Promise<GatewayAnalysers | undefined> {
  if (!hasAnalysers(pipelines)) return undefined
  const { openGatewayAnalysers } = await import('./gateway-analysers.ts')
  return openGatewayAnalysers(pipelines, modules, deps)
}
