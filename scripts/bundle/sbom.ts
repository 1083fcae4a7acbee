import { createHash } from 'node:crypto'
import { type Lock, nameOf, productionPackages } from './lock.ts'
import { type Arch, NODE_VERSION, TARGETS } from './targets.ts'

export interface SbomOptions {
  readonly lock: Lock
  readonly arch: Arch
  readonly version: string
  readonly build: string
  /** Seconds since 1970. */
  readonly epoch: number
}

/**
 * What a bundle is made of, as CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/): every package of the lock file that is not for development
 * alone and fits the machine, and Node itself. The same bundle has the same text: its serial number is a hash of the rest.
 */
export function sbom({ lock, arch, version, build, epoch }: SbomOptions): string {
  const { node, crc32 } = TARGETS[arch]
  const components = [...productionPackages(lock)]
    .filter(([path, { optional }]) => optional !== true || nameOf(path) === crc32)
    .map(([path, { version: own, integrity, license }]) => component(nameOf(path), own, integrity, license))
  components.push(component(node.name, NODE_VERSION, node.integrity, 'MIT'))
  const unique = new Map(components.map(each => [each.purl, each]))
  const ref = `pkg:npm/headrace@${version}`
  const body = {
    version: 1,
    metadata: {
      timestamp: new Date(epoch * 1_000).toISOString(),
      component: { type: 'application', 'bom-ref': ref, name: 'headrace', version: `${version}+${build}`, purl: ref },
      properties: [{ name: 'headrace:target', value: `linux-${arch}` }],
    },
    components: [...unique.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1)),
  }
  const hash = createHash('sha256').update(JSON.stringify(body)).digest('hex')
  return `${JSON.stringify({ bomFormat: 'CycloneDX', specVersion: '1.6', serialNumber: `urn:uuid:${asUuid(hash)}`, ...body }, null, 1)}\n`
}

function component(name: string, version: string, integrity: string | undefined, license: string | undefined) {
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
  const [algorithm = '', digest = ''] = integrity?.split('-', 2) ?? []
  const hash = algorithm === 'sha512' && [{ alg: 'SHA-512', content: Buffer.from(digest, 'base64').toString('hex') }]
  return {
    type: 'library',
    'bom-ref': purl,
    name,
    version,
    purl,
    ...(hash && { hashes: hash }),
    ...(license !== undefined && { licenses: [/[ ()]/.test(license) ? { expression: license } : { license: { id: license } }] }),
  }
}

/** Version 8: its bits are the maker's own (RFC 9562). */
function asUuid(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
