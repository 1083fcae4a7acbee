import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { expect } from 'vitest'
import type { EdgeStatus } from '../../../src/cli/edge-status.ts'
import type { HeadraceProcess } from '../../support/headrace-process.ts'
import { consumeTopic } from '../../support/kafka/consume.ts'
import { until } from '../../support/until.ts'
import type { ConsumedRecord } from '../checker.ts'
import type { Plant } from '../plant.ts'
import { defineScenario, type Stage } from '../scenario.ts'

const FREEZE_LIMIT_MS = 90_000

/** A second gateway from a copy of the first one's disk, with other devices: what it gives can be told apart. */
function cloneOf(plant: Plant, url: string): { process: HeadraceProcess; state: string } {
  const state = plant.path('clone')
  cpSync(plant.edgeState, state, { recursive: true })
  writeFileSync(
    plant.path('clone-pipeline.yaml'),
    readFileSync(plant.path('pipeline.yaml'), 'utf8').replaceAll(/seed: (\d+)/g, 'seed: 7'),
  )
  writeFileSync(plant.path('clone.yaml'), plant.edgeConfig([url], state).replace('[pipeline.yaml]', '[clone-pipeline.yaml]'))
  return { process: plant.newProcess('clone', 'edge', 'clone.yaml'), state }
}

/** What an agent says is in the log has to be there as it said it. */
function contradictions(
  plant: Plant,
  status: EdgeStatus,
  from: number,
  isMine: (record: ConsumedRecord) => boolean,
  log: readonly ConsumedRecord[],
): string[] {
  return status.sources.flatMap(({ source, settled }) => {
    const others = log.filter(
      record =>
        record.key === `${plant.gateway}/${source}` && record.offset >= from && record.offset < settled && !isMine(record),
    )
    return others.length > 0
      ? [`${source}: ${others.length} records are said to be in the log, where another's lie, from ${others[0]?.offset}`]
      : []
  })
}

async function bothFrozen({ plant, kafka, step, moves, lasts }: Stage, urlOfClone: string): Promise<void> {
  await moves(5)
  await step('ends the gateway and clones its disk', () => plant.edge.stop())
  const clone = cloneOf(plant, urlOfClone)
  const copiedAt = 0
  try {
    await step('starts both', () => {
      plant.edge.start()
      clone.process.start()
    })
    const frozen = async () => {
      const statuses = [await plant.edgeStatus(), await plant.edgeStatus(clone.state)]
      const [own, other] = statuses
      if (!own || !other) return undefined
      const isFrozen = (name: string) =>
        statuses.some(status => status?.sources.some(({ source, state }) => source === name && state === 'frozen'))
      return own.sources.every(({ source }) => isFrozen(source)) && { own, other }
    }
    await until('each source is frozen on one of the two', frozen, FREEZE_LIMIT_MS)
    // What was on its way has come to its end by then.
    await lasts(3_000)
    const end = await frozen()
    if (!end) throw new Error('a source that was frozen is not frozen any more')
    const log = await consumeTopic(kafka.addresses, plant.topic)
    const expected = plant.expected(new Map())
    const ofOriginal = new Set(
      [...expected].flatMap(([key, { records, payload }]) =>
        Array.from({ length: records }, (_, number) => `${key} ${payload(number)}`),
      ),
    )
    const isOriginal = (record: ConsumedRecord) => ofOriginal.has(`${record.key} ${record.value}`)
    expect(contradictions(plant, end.own, copiedAt, isOriginal, log)).toEqual([])
    for (const key of expected.keys()) {
      const owners = log.filter(record => record.key === key).map(record => (isOriginal(record) ? 'original' : 'clone'))
      const changes = owners.filter((owner, at) => at > 0 && owner !== owners[at - 1]).length
      expect(changes, `${key} changed hands`).toBeLessThanOrEqual(1)
    }
    for (const status of [end.own, end.other]) {
      const alarms = status.alarms as readonly { code: string; source?: string; advice: string }[]
      for (const { source } of status.sources.filter(({ state }) => state === 'frozen')) {
        const alarm = alarms.find(each => each.code === 'source_frozen' && each.source === source)
        expect(alarm?.advice).toContain('headrace source resume')
      }
    }
  } finally {
    await clone.process.end()
  }
}

/** Slow sources: each record is a batch of its own, so that the two gateways' batches have the same numbers. */
const SLOW = { devices: 0, counters: 3, recordsPerSecond: 8, counted: 100_000 }

export const clonedBeforeOneCore = defineScenario({
  id: 'cloned',
  title: 'a gateway is cloned, and both copies run: they are frozen and say so, and nothing is mixed',
  seconds: 25,
  endsFrozen: true,
  plant: SLOW,
  strike: stage => bothFrozen(stage, `amqp://127.0.0.1:${stage.plant.corePorts[0]}`),
})

export const clonedBeforeTwoCores = defineScenario({
  id: 'cloned-two-cores',
  title: 'a gateway is cloned, and each copy has a core of its own: they are frozen and say so, and nothing is mixed',
  seconds: 25,
  endsFrozen: true,
  plant: { ...SLOW, cores: 2 },
  strike: stage => bothFrozen(stage, `amqp://127.0.0.1:${stage.plant.corePorts[1]}`),
})
