import { join } from 'node:path'
import { z } from 'zod'
import { ConfigDocument } from '../config/document.ts'
import { kindOf } from '../config/kind-of.ts'
import { type LoadedPipeline, loadCore, loadEdge } from '../config/load.ts'
import { checkCertificates } from '../doctor/checks/certificates.ts'
import { checkClock } from '../doctor/checks/clock.ts'
import { checkDevices, type Resource } from '../doctor/checks/devices.ts'
import { checkDisk } from '../doctor/checks/disk.ts'
import { checkState } from '../doctor/checks/state.ts'
import { checkUplink } from '../doctor/checks/uplink.ts'
import { checkVersions } from '../doctor/checks/versions.ts'
import type { Finding } from '../doctor/finding.ts'
import { uplinkUrls } from '../link/options.ts'
import { systemClock } from '../runtime/clock.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { readTlsMaterial } from './tls-material.ts'
import { VERSION } from './version.ts'

/** Everything that can be looked at with a configuration, or, without one, of a state directory. Changes nothing. */
export async function examine(options: { config?: string; state: string }): Promise<Finding[]> {
  const machine = [...checkVersions(VERSION, process.version), ...(await checkClock(systemClock.wallMs()))]
  if (options.config === undefined) {
    const states = await Promise.all(['edge', 'core'].map(role => checkState(join(options.state, role), role, VERSION)))
    return [...machine, ...checkDisk(options.state), ...states.flat()]
  }
  const isEdge = roleOf(options.config) === 'edge'
  return [...machine, ...(await (isEdge ? examineEdge(options.config) : examineCore(options.config)))]
}

/** Which of the two a configuration is of. Throws `config_invalid` where it is a pipeline's. */
export function roleOf(file: string): 'edge' | 'core' {
  const keys = Object.keys(ConfigDocument.read(file).as(z.looseObject({})))
  if (keys.includes('uplink') || keys.includes('gateway')) return 'edge'
  if (keys.includes('log') || keys.includes('ingress')) return 'core'
  throw new HeadraceError('config_invalid', `${file} is neither an edge.yaml (key \`uplink\`) nor a core.yaml (key \`log\`)`, {
    advice: 'A pipeline alone says nothing of a machine: name the configuration that lists it.',
  })
}

async function examineEdge(file: string): Promise<Finding[]> {
  const { config, pipelines } = loadEdge(file)
  const { tls } = config.uplink
  const certificates = tls ? checkCertificates(tls, systemClock.wallMs(), config.gateway) : []
  const usable = certificates.every(({ severity }) => severity !== 'error')
  const uplink = await checkUplink(uplinkUrls(config.uplink), tls && usable ? readTlsMaterial(tls) : undefined, systemClock)
  return [
    ...checkDisk(config.state, config.buffer.quota),
    ...(await checkState(join(config.state, 'edge'), 'edge', VERSION)),
    ...(await checkDevices(resourcesOf(pipelines))),
    ...certificates,
    ...uplink,
  ]
}

async function examineCore(file: string): Promise<Finding[]> {
  const { config, pipelines } = loadCore(file)
  const { kafka } = config.log
  const tls = [config.ingress?.tls, kafka?.tls].filter(each => each !== undefined)
  const topics = pipelines.map(({ topic }) => topic)
  return [
    ...checkDisk(config.state),
    ...(await checkState(join(config.state, 'core'), 'core', VERSION)),
    ...tls.flatMap(files => checkCertificates(files, systemClock.wallMs())),
    ...(kafka ? await (await import('../doctor/checks/kafka.ts')).checkKafka(kafka, topics, systemClock) : []),
  ]
}

function resourcesOf(pipelines: readonly LoadedPipeline[]): Resource[] {
  return pipelines.flatMap(({ config }) =>
    Object.entries(config.sources).flatMap(([source, options]) => {
      const { kind, options: own } = kindOf(options)
      const name = kind.resource?.(own)?.name ?? (own as { readonly tcp?: string }).tcp
      return name === undefined ? [] : [{ source, name }]
    }),
  )
}
