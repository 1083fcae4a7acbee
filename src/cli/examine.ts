import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { readIdentity } from '../ca/gateway-identity.ts'
import { wrongServer } from '../ca/peer-chain.ts'
import { ConfigDocument } from '../config/document.ts'
import type { EdgeConfig } from '../config/edge.ts'
import { kindOf } from '../config/kind-of.ts'
import { type LoadedPipeline, loadCore, loadEdge } from '../config/load.ts'
import { checkCertificates, checkIdentity } from '../doctor/checks/certificates.ts'
import { checkClock } from '../doctor/checks/clock.ts'
import { checkDevices, type Resource } from '../doctor/checks/devices.ts'
import { checkDisk } from '../doctor/checks/disk.ts'
import { checkFiles, type FileUse } from '../doctor/checks/files.ts'
import { checkState } from '../doctor/checks/state.ts'
import { checkUplink, type Shown } from '../doctor/checks/uplink.ts'
import { checkVersions } from '../doctor/checks/versions.ts'
import { error, type Finding } from '../doctor/finding.ts'
import { uplinkUrls } from '../link/options.ts'
import { systemClock } from '../runtime/clock.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { readTlsMaterial } from '../runtime/tls-files.ts'
import { readLogin } from './login.ts'
import { identityPath } from './uplink.ts'
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
  const { certificates, shown } = whatIsShown(config)
  const uplink = await checkUplink(uplinkUrls(config.uplink), shown, systemClock)
  return [
    ...checkDisk(config.state, config.buffer.quota),
    ...(await checkState(join(config.state, 'edge'), 'edge', VERSION)),
    ...(await checkDevices(resourcesOf(pipelines))),
    ...checkFiles(filesOf(pipelines)),
    ...certificates,
    ...uplink,
  ]
}

/** A file that cannot be read is a finding, and not the end of the rest. */
function whatIsShown(config: EdgeConfig): ReturnType<typeof shownBy> {
  try {
    return shownBy(config)
  } catch (cause) {
    if (!(cause instanceof HeadraceError)) throw cause
    return { certificates: [error('certificate', cause.message, cause.advice ?? 'Look at `uplink` in edge.yaml.')], shown: {} }
  }
}

/** What this gateway shows at the other end, as its agent would: files that are named, or what it was enrolled for. */
function shownBy({ gateway, state, uplink }: EdgeConfig): { certificates: Finding[]; shown: Shown } {
  const { tls, sasl, mode, renew_at: renewAt } = uplink
  const user = sasl && { user: readLogin(sasl) }
  const enrolled = identityPath(state)
  if (!tls && existsSync(enrolled) && uplinkUrls(uplink).some(url => url.startsWith('amqps:'))) {
    const identity = readIdentity(enrolled)
    const certificates = checkIdentity(enrolled, systemClock.wallMs(), { gateway, mode, renewAt })
    if (!identity) return { certificates, shown: { ...user } }
    const { chain, key, root } = identity
    return { certificates, shown: { tls: { cert: chain, key, ca: root.toString() }, wrongPeer: wrongServer(identity), ...user } }
  }
  const certificates = tls ? checkCertificates(tls, systemClock.wallMs(), gateway) : []
  const usable = certificates.every(({ severity }) => severity !== 'error')
  return { certificates, shown: { ...(tls && usable && { tls: readTlsMaterial(tls) }), ...user } }
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

function filesOf(pipelines: readonly LoadedPipeline[]): FileUse[] {
  return pipelines.flatMap(({ config }) =>
    Object.entries(config.sources).flatMap(([source, options]) => {
      const { kind, options: own } = kindOf(options)
      return (kind.files?.(own) ?? []).map(each => ({ source, ...each }))
    }),
  )
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
