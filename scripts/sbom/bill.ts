/*
  CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/
    metadata.component  Headrace itself
    components[]        type, name, group, version, scope (required, optional; excluded: for development only), hashes, licenses, purl
    dependencies[]      ref, dependsOn[]
*/

/** package-lock.json, version 3, as far as it is read. */
export interface LockFile {
  readonly packages: Readonly<Record<string, LockedPackage>>
}

interface LockedPackage {
  readonly name?: string
  readonly version?: string
  readonly license?: string
  /** Subresource integrity: `sha512-<base64>`. */
  readonly integrity?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly devOptional?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

const FOLDER = 'node_modules/'

/** The bill of materials of a lock file. */
export function billOf(lock: LockFile) {
  const { '': root, ...packages } = lock.packages
  const paths = Object.keys(packages)
  const refs = new Map(paths.map(path => [path, purlOf(path, packages[path])]))
  const own = `pkg:npm/${root?.name}@${root?.version}`
  const dependencies = [{ ref: own, dependsOn: dependsOn('', root, refs) }]
  for (const path of paths) dependencies.push({ ref: refs.get(path) ?? '', dependsOn: dependsOn(path, packages[path], refs) })
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      lifecycles: [{ phase: 'pre-build' }],
      component: {
        type: 'application',
        'bom-ref': own,
        name: root?.name,
        version: root?.version,
        licenses: licensesOf(root),
        purl: own,
      },
    },
    components: unique(
      paths.map(path => componentOf(path, packages[path])),
      each => each['bom-ref'],
    ),
    dependencies: unique(dependencies, ({ ref }) => ref),
  }
}

function componentOf(path: string, locked: LockedPackage | undefined) {
  const [group, name] = splitName(nameOf(path, locked))
  const hash = /^sha512-(.+)$/.exec(locked?.integrity ?? '')?.[1]
  return {
    type: 'library',
    'bom-ref': purlOf(path, locked),
    ...(group && { group }),
    name,
    version: locked?.version,
    scope: locked?.dev || locked?.devOptional ? 'excluded' : locked?.optional ? 'optional' : 'required',
    ...(hash && { hashes: [{ alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') }] }),
    licenses: licensesOf(locked),
    purl: purlOf(path, locked),
  }
}

function dependsOn(from: string, locked: LockedPackage | undefined, refs: ReadonlyMap<string, string>): string[] {
  const { dependencies, optionalDependencies, peerDependencies, devDependencies } = locked ?? {}
  const names = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies, ...devDependencies })
  return [...new Set(names.flatMap(name => resolve(from, name, refs) ?? []))].sort()
}

/** As Node looks for a package: in the folder of whoever asks, then in those above it. */
function resolve(from: string, name: string, refs: ReadonlyMap<string, string>): string | undefined {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf(`/${FOLDER}`)))) {
    const ref = refs.get(`${at === '' ? '' : `${at}/`}${FOLDER}${name}`)
    if (ref !== undefined || at === '') return ref
  }
}

function nameOf(path: string, locked: LockedPackage | undefined): string {
  return locked?.name ?? path.slice(path.lastIndexOf(FOLDER) + FOLDER.length)
}

function splitName(name: string): [group: string | undefined, name: string] {
  const [first = '', second] = name.split('/')
  return second === undefined ? [undefined, first] : [first, second]
}

/** https://github.com/package-url/purl-spec: the @ of a scope is encoded. */
function purlOf(path: string, locked: LockedPackage | undefined): string {
  return `pkg:npm/${nameOf(path, locked).replace('@', '%40')}@${locked?.version}`
}

/** An SPDX expression, or a name that is none. */
function licensesOf(locked: LockedPackage | undefined) {
  const license = locked?.license
  if (license === undefined) return []
  if (/ (OR|AND|WITH) /.test(license)) return [{ expression: license }]
  return /^[\w.+-]+$/.test(license) ? [{ license: { id: license } }] : [{ license: { name: license } }]
}

function unique<Item>(items: readonly Item[], keyOf: (item: Item) => string): Item[] {
  return [...new Map(items.map(item => [keyOf(item), item])).values()]
}
