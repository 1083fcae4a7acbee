import { writeFileSync } from 'node:fs'
import type { HeadraceProcess } from '../support/headrace-process.ts'
import type { ExpectedSource } from './checker.ts'
import type { Stage } from './scenario.ts'

/** Gateways beside the plant's own, with generators, into the same topic. */
export interface OtherGateways {
  readonly gateways: number
  /** Of each of them. */
  readonly sources: number
  /** Of each source, in all. */
  readonly records: number
  /** 0 gives all at once. */
  readonly recordsPerSecond: number
}

export interface OtherGateway {
  readonly process: HeadraceProcess
  readonly state: string
}

function nameOf({ plant }: Stage, index: number): string {
  return `${plant.gateway}-${index + 2}`
}

/** Lays out one of them, before cores at these ports; it is started by whoever asked for it. */
export function otherGateway(stage: Stage, others: OtherGateways, index: number, ports: readonly number[]): OtherGateway {
  const { plant } = stage
  const gateway = nameOf(stage, index)
  const state = plant.path(gateway)
  const options = `{ records_per_second: ${others.recordsPerSecond}, count: ${others.records}, seed: ${plant.options.seed} }`
  const sources = Array.from({ length: others.sources }, (_, at) => `  other-${at}: { generator: ${options} }\n`)
  writeFileSync(plant.path(`${gateway}-pipeline.yaml`), `pipeline: ${plant.topic}\nsources:\n${sources.join('')}`)
  const config = plant.edgeConfig(
    ports.map(port => `amqp://127.0.0.1:${port}`),
    state,
  )
  writeFileSync(
    plant.path(`${gateway}.yaml`),
    config.replace(/^gateway: .*$/m, `gateway: ${gateway}`).replace('[pipeline.yaml]', `[${gateway}-pipeline.yaml]`),
  )
  return { process: plant.newProcess(gateway, 'edge', `${gateway}.yaml`), state }
}

/** Whether all that one of them has is in the log, as it knows it. */
export async function isSettled({ plant }: Stage, { state }: OtherGateway, { records }: OtherGateways): Promise<boolean> {
  const status = await plant.edgeStatus(state)
  return status?.sources.every(({ settled }) => settled === records) ?? false
}

/** What the checker has to find of them. */
export function expectedOfOthers(
  stage: Stage,
  others: OtherGateways,
  partitions: ReadonlyMap<string, number>,
): Map<string, ExpectedSource> {
  const { seed } = stage.plant.options
  const entries = Array.from({ length: others.gateways * others.sources }, (_, at) => {
    const source = `other-${at % others.sources}`
    const key = `${nameOf(stage, Math.floor(at / others.sources))}/${source}`
    return [key, stage.plant.expectedCounter(source, seed, others.records, partitions.get(key) ?? -1)] as const
  })
  return new Map(entries)
}
