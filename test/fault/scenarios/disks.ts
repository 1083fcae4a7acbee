import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { until } from '../../support/until.ts'
import { SmallFileSystem } from '../faults/file-systems.ts'
import type { Plant } from '../plant.ts'
import { defineScenario } from '../scenario.ts'

const DISK_KIB = 12 * 1024

/** A scenario in which the edge's state, or the first core's, lies on a disk of its own. */
function onOwnDisk(key: 'edgeState' | 'coreState') {
  const disks: SmallFileSystem[] = []
  const disk = () => {
    const [only] = disks
    if (!only) throw new Error('there is no disk yet')
    return only
  }
  return {
    disk,
    plant: async () => {
      disks.push(new SmallFileSystem(DISK_KIB))
      return { [key]: disk().path }
    },
    cleanUp: () => {
      for (const each of disks.splice(0)) each.unmount()
    },
  }
}

async function hasAlarm(plant: Plant, code: string): Promise<boolean> {
  const alarms = ((await plant.edgeStatus())?.alarms ?? []) as readonly { code: string }[]
  return alarms.some(alarm => alarm.code === code)
}

const fullEdge = onOwnDisk('edgeState')
export const edgeDiskFull = defineScenario({
  id: 'edge-disk-full',
  title: 'the file system of the gateway is full, for a while, and once when it is started',
  seconds: 35,
  needsRoot: true,
  plant: fullEdge.plant,
  cleanUp: fullEdge.cleanUp,
  async strike({ plant, step, moves, lasts }) {
    const disk = fullEdge.disk()
    for (let time = 1; time <= 2; time++) {
      await moves()
      await step('the disk is full', () => disk.fill())
      await until('a person is told', () => hasAlarm(plant, 'disk_full'))
      await lasts(2_000)
      await step('the disk has room', () => disk.empty())
      await until('it is over', async () => !(await hasAlarm(plant, 'disk_full')))
    }
    await moves()
    await step('kill -9, and a start while the disk is full', () =>
      plant.restartEdge(
        async () => {
          await plant.edge.kill9()
          disk.fill()
          plant.edge.start()
          await lasts(4_000)
        },
        async () => {
          disk.empty()
          await plant.edge.kill9()
        },
      ),
    )
    await moves()
  },
})

const readOnlyEdge = onOwnDisk('edgeState')
export const edgeDiskReadOnly = defineScenario({
  id: 'edge-disk-read-only',
  title: 'the file system of the gateway is read-only when it is started: it says so, and touches nothing',
  seconds: 20,
  needsRoot: true,
  plant: readOnlyEdge.plant,
  cleanUp: readOnlyEdge.cleanUp,
  async strike({ plant, step, moves }) {
    const disk = readOnlyEdge.disk()
    await moves()
    await plant.restartEdge(
      async () => {
        await step('kill -9, the disk becomes read-only, and a start', async () => {
          await plant.edge.kill9()
          disk.readOnly()
          plant.edge.start()
          await until('it ends', () => !plant.edge.running)
        })
        const said = readFileSync(plant.edge.logPath, 'utf8').split('\n').slice(-8).join('\n')
        expect(said).toMatch(/read-only/i)
        expect(said).not.toMatch(/used by another process|damaged|\n\s+at /)
      },
      () => step('the disk is writable', () => disk.writable()),
    )
    await moves()
  },
})

const fullCore = onOwnDisk('coreState')
export const coreDiskFull = defineScenario({
  id: 'core-disk-full',
  title: 'the file system of the core is full: records go on into Kafka, and the batch job goes on where it was',
  seconds: 20,
  needsRoot: true,
  plant: fullCore.plant,
  cleanUp: fullCore.cleanUp,
  async strike({ plant, step, moves }) {
    const disk = fullCore.disk()
    await moves()
    expect((await plant.command('batch', 'run', 'copy')).code).toBe(0)
    await moves()
    await step('the disk is full', () => disk.fill())
    await moves()
    const failed = await plant.command('batch', 'run', 'copy')
    expect([failed.code, failed.stderr + failed.stdout]).toEqual([1, expect.stringMatching(/full/)])
    await moves()
    await step('the disk has room', () => disk.empty())
    expect((await plant.command('batch', 'run', 'copy')).code).toBe(0)
  },
})
