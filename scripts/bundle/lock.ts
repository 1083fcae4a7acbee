/** An entry of package-lock.json (lockfileVersion 3), as far as it is looked at here. */
export interface LockedPackage {
  readonly version: string
  readonly integrity?: string
  readonly license?: string
  readonly dev?: true
  readonly optional?: true
  readonly dependencies?: Readonly<Record<string, string>>
}
export type Lock = { readonly packages: Readonly<Record<string, LockedPackage>> }

/** By the path under node_modules, what is not only for development. */
export function productionPackages(lock: Lock): Map<string, LockedPackage> {
  return new Map(Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && dev !== true))
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
}

/** Only read by a compiler, or only of use to an installer. */
const NOT_AT_RUN_TIME = ['node-addon-api', 'node']

/** Paths of these packages and of all that they need, as Node looks for them: in the nearest node_modules upwards. */
export function closure(lock: Lock, names: readonly string[]): string[] {
  const found = new Set<string>()
  const walk = (name: string, from: string): void => {
    if (NOT_AT_RUN_TIME.includes(name)) return
    const path = nearest(lock, name, from)
    if (path === undefined || found.has(path)) return
    found.add(path)
    for (const dependency of Object.keys(lock.packages[path]?.dependencies ?? {})) walk(dependency, path)
  }
  for (const name of names) walk(name, '')
  return [...found].sort()
}

function nearest(lock: Lock, name: string, from: string): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const path = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`
    if (lock.packages[path]) return path
    if (folder === '') return undefined
    if (!folder.includes('/node_modules/')) {
      const top = `node_modules/${name}`
      return lock.packages[top] ? top : undefined
    }
  }
}
