import { parameterNames, shapeOf } from './path-parameters.ts';
import type { Method, Route } from './route.ts';

/** All routes of one port, by the shape of their paths. */
export interface RouteTable {
  readonly shapes: readonly Shape[];
}

export interface Shape {
  /** The path, with `{}` for each parameter. */
  readonly shape: string;
  readonly routes: readonly Route[];
  /** The methods of all routes, HEAD among them where there is GET, as `Allow` tells them. */
  readonly allow: string;
  /** The names of the parameters in the first of the routes: for those who have no route. */
  readonly names: readonly string[];
  /** Whether the path stands for the same with, or without, a slash at its end: 301 to that. */
  readonly redirect: boolean;
}

/** Throws (a bug) where two routes have the same method and shape. */
export function routeTable(routes: readonly Route[]): RouteTable {
  const byShape = Map.groupBy(routes, ({ path }) => shapeOf(path));
  const shapes: Shape[] = [];
  for (const [shape, sharing] of byShape) shapes.push(shapeWith(shape, sharing));
  for (const [shape, sharing] of byShape) {
    const other = otherSlash(shape);
    if (other === '' || byShape.has(other)) continue;
    shapes.push({ ...shapeWith(other, sharing), routes: [], redirect: true });
  }
  return { shapes };
}

function shapeWith(shape: string, routes: readonly Route[]): Shape {
  const methods = new Set<string>(routes.map(({ method }) => method));
  if (methods.size !== routes.length) throw new Error(`bug: two routes for one method of ${shape}`);
  if (methods.has('GET')) methods.add('HEAD');
  const allow = ALLOW_ORDER.filter((method) => methods.has(method)).join(', ');
  return { shape, routes, allow, names: parameterNames(routes[0]?.path ?? ''), redirect: false };
}

const otherSlash = (shape: string): string =>
  shape.endsWith('/') ? shape.slice(0, -1) : `${shape}/`;

const ALLOW_ORDER: readonly (Method | 'HEAD')[] = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'];
