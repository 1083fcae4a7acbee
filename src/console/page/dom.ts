type Child = Node | string | number | null | undefined | false
type Properties = Readonly<Record<string, string | number | boolean | ((event: Event) => void) | undefined>>

/** An element. Whatever is put into it as text stays text: what a device sends can never become markup. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Properties = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag)
  apply(element, properties, children)
  return element
}

const SVG = 'http://www.w3.org/2000/svg'

export function s(tag: string, properties: Properties = {}, ...children: Child[]): SVGElement {
  const element = document.createElementNS(SVG, tag)
  apply(element, properties, children)
  return element
}

function apply(element: Element, properties: Properties, children: readonly Child[]): void {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue
    if (typeof value === 'function') element.addEventListener(name, value)
    else element.setAttribute(name, value === true ? '' : String(value))
  }
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue
    element.append(typeof child === 'number' ? String(child) : child)
  }
}

/** Sets text only where it is another: a thousand rows are looked at each second. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text
}

export function empty(what: string, help: string): HTMLElement {
  return h('div', { class: 'empty' }, h('strong', {}, what), help)
}
