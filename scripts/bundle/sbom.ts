import { createHash } from 'node:crypto'
import { billOf, type LockFile } from '../sbom/bill.ts'
import { nameOf } from './lock.ts'
import { type Arch, NODE_VERSION, TARGETS } from './targets.ts'

export interface SbomOptions {
  readonly lock: LockFile
  readonly arch: Arch
  readonly version: string
  readonly build: string
  /** Seconds since 1970. */
  readonly epoch: number
}

/**
 * What a bundle is made of: of the lock file's bill what is not for development alone and fits the machine, and Node itself. The same bundle has the
 * same text: its serial number is a hash of the rest.
 */
export function sbom({ lock, arch, version, build, epoch }: SbomOptions): string {
  const { node, own } = TARGETS[arch]
  const kept = Object.entries(lock.packages).filter(([path, { dev, devOptional, optional }]) => {
    if (path === '') return true
    return !dev && !devOptional && (!optional || own.some(({ name }) => name === nameOf(path)))
  })
  const program = { version: NODE_VERSION, integrity: node.integrity, license: 'MIT' }
  const bill = billOf({ packages: { ...Object.fromEntries(kept), [`node_modules/${node.name}`]: program } })
  const { metadata, ...rest } = bill
  const body = {
    ...rest,
    metadata: {
      ...metadata,
      timestamp: new Date(epoch * 1_000).toISOString(),
      lifecycles: [{ phase: 'build' }],
      component: { ...metadata.component, version: `${version}+${build}` },
      properties: [{ name: 'headrace:target', value: `linux-${arch}` }],
    },
  }
  const hash = createHash('sha256').update(JSON.stringify(body)).digest('hex')
  return `${JSON.stringify({ serialNumber: `urn:uuid:${asUuid(hash)}`, ...body }, null, 1)}\n`
}

/** Version 8: its bits are the maker's own (RFC 9562). */
function asUuid(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
