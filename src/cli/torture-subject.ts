import { loadAny, loadCore, loadEdge, loadPipelines } from '../config/load.ts'
import type { KafkaOptions } from '../log/options.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { durationText, sizeText } from '../runtime/units.ts'

/** What a torture is about: on which disk its scratch processes keep their state, how, and before which log. */
export interface TortureSubject {
  /** State directory of the installation; the scratch one is made below it. */
  readonly state: string
  /** A SQLite log beside the scratch core's state where there is none. */
  readonly kafka: KafkaOptions | undefined
  /** `buffer:` of the scratch gateway, and `durability:` of its pipeline, as one writes them. */
  readonly buffer: { readonly quota: string; readonly rewind: string } | undefined
  readonly durability: string
}

const DURABILITY_MS = 20

/**
 * A core.yaml: before its log, on its disk. An edge.yaml: with its buffer, on the gateway's disk; the core it names is not touched. A pipeline file: as
 * `headrace up` would run it in `state`.
 */
export function tortureSubject(file: string, state: string): TortureSubject {
  const kind = loadAny(file)
  if (kind === 'core') {
    const { config } = loadCore(file)
    return { state: config.state, kafka: config.log.kafka, buffer: undefined, durability: durationText(DURABILITY_MS) }
  }
  if (kind === 'edge') {
    const { config, pipelines } = loadEdge(file)
    const { quota, rewind } = config.buffer
    const durabilityMs = Math.min(...pipelines.map(pipeline => pipeline.config.durability))
    return {
      state: config.state,
      kafka: undefined,
      buffer: { quota: sizeText(quota), rewind: sizeText(rewind) },
      durability: durationText(Number.isFinite(durabilityMs) ? durabilityMs : DURABILITY_MS),
    }
  }
  if (kind === 'pipeline') {
    const [pipeline] = loadPipelines([file])
    const durabilityMs = pipeline?.config.durability ?? DURABILITY_MS
    return { state, kafka: undefined, buffer: undefined, durability: durationText(durabilityMs) }
  }
  throw new HeadraceError('config_invalid', `${file} describes neither a core, nor a gateway, nor a pipeline`, {
    advice: 'Name a core.yaml, an edge.yaml or a pipeline file.',
  })
}
