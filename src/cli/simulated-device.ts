import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DeviceModel } from '../../hardware/simulators/device-model.ts'
import type { MischiefOptions } from '../../hardware/simulators/mischief.ts'
import { MODELS } from '../../hardware/simulators/models.ts'
import type { MischievousSimulator } from '../../hardware/simulators/simulator.ts'
import { startSimulator } from '../../hardware/simulators/start.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { nearest } from '../runtime/nearest.ts'

export interface SimulateOptions {
  readonly link?: string
  readonly port?: number
  readonly rate: number
  readonly mischief: MischiefOptions
}

/** Starts the device of that name. Throws `not_found` where there is none. */
export async function startSimulated(
  name: string,
  { link, port, rate, mischief }: SimulateOptions,
): Promise<{ model: DeviceModel; simulator: MischievousSimulator }> {
  const model = MODELS.find(each => each.name === name)
  if (!model) {
    const names = MODELS.map(each => each.name)
    const meant = nearest(name, names)
    throw new HeadraceError('not_found', `there is no simulated device "${name}"${meant ? `; did you mean "${meant}"?` : ''}`, {
      advice: `Known: ${names.join(', ')}.`,
    })
  }
  const path = link ?? join(tmpdir(), `headrace-${model.name}-${process.pid}`)
  const simulator = await startSimulator(model, { link: path, ...(port !== undefined && { port }), perSecond: rate, mischief })
  return { model, simulator }
}
