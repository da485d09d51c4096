package main

func redirectReferences() []reference {
	return []reference{
		{
			name:  "to a path, with the rest and the query",
			nginx: `rewrite ^PREFIX(/.*)?$ /new$1 permanent;`, route: "redirect: {to: /new, status: 301}",
			path: "/a/b?x=1", show: "answer Location", want: "http://gate.example/new/a/b?x=1",
			gateway: "/new/a/b?x=1", why: "nginx puts the Host of the client before it (absolute_redirect); a path needs no Host, which a client may choose",
			middlewares: `redirectRegex: {regex: '^https?://[^/]+PREFIX(/.*)?$', replacement: '/new${1}', permanent: true}`,
			traefik:     "/new/a/b?x=1", traefikWhy: "the address is what the expression makes of the whole URL, with its query",
		},
		{
			name:  "to one page, without the rest and the query",
			nginx: `absolute_redirect off; return 301 /new;`, route: `redirect: {to: "/new?", status: 301}`,
			path: "/a/b?x=1", show: "answer Location", want: "/new",
			middlewares: `redirectRegex: {regex: '.*', replacement: '/new', permanent: true}`,
		},
		{
			name:  "to a page with a query",
			nginx: `absolute_redirect off; return 302 /new?a=b;`, route: `redirect: {to: "/new?a=b", status: 302}`,
			path: "/a?x=1", show: "answer Location", want: "/new?a=b",
			middlewares: `redirectRegex: {regex: '.*', replacement: '/new?a=b'}`,
		},
		{
			name:  "to another server",
			nginx: `rewrite ^PREFIX/(.*)$ https://new.example.com/$1 redirect;`, route: `redirect: {to: "https://new.example.com", status: 302}`,
			path: "/a?x=1", show: "answer Location", want: "https://new.example.com/a?x=1",
			middlewares: `redirectRegex: {regex: '^https?://[^/]+PREFIX/(.*)$', replacement: 'https://new.example.com/${1}'}`,
		},
		{
			name:  "with an escaped rest",
			nginx: `absolute_redirect off; rewrite ^PREFIX(/.*)$ /new$1 redirect;`, route: "redirect: {to: /new, status: 302}",
			path: "/caf%C3%A9?%C3%A9", show: "answer Location", want: "/new/caf%C3%A9?%C3%A9",
			middlewares: `redirectRegex: {regex: '^https?://[^/]+PREFIX(/.*)?$', replacement: '/new${1}'}`,
		},
		{
			name:  "two slashes before the rest",
			nginx: `absolute_redirect off; rewrite ^PREFIX(/.*)$ $1 redirect;`, route: "redirect: {to: /, status: 302}",
			path: "//evil.example", show: "answer Location", want: "/evil.example",
			gateway: "", why: "nginx makes one slash of two (merge_slashes); the gateway answers 400, because backends read them differently",
			middlewares: `redirectRegex: {regex: '^https?://[^/]+PREFIX(/.*)?$', replacement: '${1}'}`,
		},
		{
			name:  "an escaped slash before the rest",
			nginx: `absolute_redirect off; rewrite ^PREFIX(/.*)$ $1 redirect;`, route: "redirect: {to: /, status: 302}",
			path: "/%2Fevil.example", show: "status", want: "302",
			gateway: "400", why: "nginx decodes it; the gateway takes %2F only where allow_encoded_slashes says so",
			middlewares: `redirectRegex: {regex: '^https?://[^/]+PREFIX(/.*)?$', replacement: '${1}'}`,
		},
	}
}

func rewriteReferences() []reference {
	return []reference{
		{
			name:  "a group",
			nginx: `rewrite ^PREFIX/(\d+)$ /orders/$1 break; proxy;`, route: `backend, rewrite: {from: '^PREFIX/(\d+)$', to: '/orders/$1'}`,
			path: "/7", show: "path", want: "/orders/7",
			middlewares: `replacePathRegex: {regex: '^PREFIX/(\d+)$', replacement: '/orders/$1'}`,
		},
		{
			name:  "the query stays",
			nginx: `rewrite ^PREFIX/(\d+)$ /orders/$1 break; proxy;`, route: `backend, rewrite: {from: '^PREFIX/(\d+)$', to: '/orders/$1'}`,
			path: "/7?full=1&a=%2e", show: "path", want: "/orders/7?full=1&a=%2e",
			middlewares: `replacePathRegex: {regex: '^PREFIX/(\d+)$', replacement: '/orders/$1'}`,
		},
		{
			name:  "no match",
			nginx: `rewrite ^PREFIX/(\d+)$ /orders/$1 break; proxy;`, route: `backend, rewrite: {from: '^PREFIX/(\d+)$', to: '/orders/$1'}`,
			path: "/x", show: "path", want: "PREFIX/x",
			middlewares: `replacePathRegex: {regex: '^PREFIX/(\d+)$', replacement: '/orders/$1'}`,
		},
		{
			name:  "two groups, in another order",
			nginx: `rewrite ^PREFIX/(\w+)/(\w+)$ /$2/$1 break; proxy;`, route: `backend, rewrite: {from: '^PREFIX/(\w+)/(\w+)$', to: '/$2/$1'}`,
			path: "/a/b", show: "path", want: "/b/a",
			middlewares: `replacePathRegex: {regex: '^PREFIX/(\w+)/(\w+)$', replacement: '/$2/$1'}`,
		},
		{
			name:  "escapes in a group",
			nginx: `rewrite ^PREFIX/(.*)$ /v2/$1 break; proxy;`, route: `backend, rewrite: {from: '^PREFIX/(.*)$', to: '/v2/$1'}`,
			path: "/caf%C3%A9%20x", show: "path", want: "/v2/caf%C3%A9%20x",
			middlewares: `replacePathRegex: {regex: '^PREFIX/(.*)$', replacement: '/v2/$1'}`,
		},
		{
			name:  "an escaped character of the expression",
			nginx: `rewrite ^PREFIX/(\d+)$ /orders/$1 break; proxy;`, route: `backend, rewrite: {from: '^PREFIX/(\d+)$', to: '/orders/$1'}`,
			path: "/%37", show: "path", want: "/orders/7",
			middlewares: `replacePathRegex: {regex: '^PREFIX/(\d+)$', replacement: '/orders/$1'}`,
		},
		{
			name:  "an escaped slash",
			nginx: `rewrite ^PREFIX/(.*)$ /v2/$1 break; proxy;`, route: `backend, allow_encoded_slashes: true, rewrite: {from: '^PREFIX/(.*)$', to: '/v2/$1'}`,
			path: "/a%2Fb", show: "path", want: "/v2/a/b",
			gateway: "/v2/a%2Fb", why: "nginx makes a separator of it; for the gateway it stays data",
			middlewares: `replacePathRegex: {regex: '^PREFIX/(.*)$', replacement: '/v2/$1'}`,
			traefik:     "/v2/a%2Fb", traefikWhy: "it stays data, as here",
		},
		{
			name:  "dot segments out of groups",
			nginx: `rewrite ^PREFIX/([^/]+)-([^/]+)$ /$1/$2 break; proxy;`, route: `backend, rewrite: {from: '^PREFIX/([^/]+)-([^/]+)$', to: '/$1/$2'}`,
			path: "/admin-..", show: "path", want: "/admin/..",
			gateway: "", why: "the gateway answers 502: the result is no canonical path, and the backend might read it as another",
			middlewares: `replacePathRegex: {regex: '^PREFIX/([^/]+)-([^/]+)$', replacement: '/$1/$2'}`,
			traefik:     "", traefikWhy: "it answers 400, for the same reason",
		},
		{
			name:  "a part of the path",
			nginx: `rewrite /x/ /y/ break; proxy;`, route: `backend, rewrite: {from: '^(.*)/x/.*$', to: '/y/'}`,
			path: "/x/z", show: "path", want: "/y/",
			middlewares: `replacePathRegex: {regex: '/x/', replacement: '/y/'}`,
			traefik:     "PREFIX/y/z", traefikWhy: "only the part that matches is replaced",
		},
	}
}

func locationReferences() []reference {
	const stripped = "location PREFIX/ { proxy_pass BACKEND/; }"
	const mapped = "location PREFIX/ { absolute_redirect off; proxy_pass BACKEND/; proxy_redirect / PREFIX/; proxy_cookie_path / PREFIX/; }"
	return []reference{
		{
			name: "the prefix removed", nginx: stripped, route: "backend, strip_prefix: true",
			path: "/x?a", show: "path", want: "/x?a",
			middlewares: `stripPrefix: {prefixes: [PREFIX]}`,
		},
		{
			name: "Location with the backend's own URL", nginx: stripped, route: "backend, strip_prefix: true",
			path: "/x?Location=BACKEND/login", show: "answer Location", want: "http://gate.examplePREFIX/login",
			gateway: "PREFIX/login", why: "nginx puts the Host of the client before it; a path needs none",
			middlewares: `stripPrefix: {prefixes: [PREFIX]}`,
			traefik:     "BACKEND/login", traefikWhy: "it maps no address",
		},
		{
			name: "Location with a path", nginx: stripped, route: "backend, strip_prefix: true",
			path: "/x?Location=/login", show: "answer Location", want: "/login",
			gateway: "PREFIX/login", why: "nginx needs `proxy_redirect / PREFIX/` for it; the client would get the address of another route",
			middlewares: `stripPrefix: {prefixes: [PREFIX]}`,
		},
		{
			name: "Location with a path, mapped in both", nginx: mapped, route: "backend, strip_prefix: true",
			path: "/x?Location=/login?a%23b", show: "answer Location", want: "PREFIX/login?a#b",
			middlewares: `stripPrefix: {prefixes: [PREFIX]}`,
			traefik:     "/login?a#b", traefikWhy: "it maps no address",
		},
		{
			name: "Location that has the prefix already", nginx: mapped, route: "backend, strip_prefix: true",
			path: "/x?Location=PREFIX/login", show: "answer Location", want: "PREFIXPREFIX/login",
			gateway: "PREFIX/login", why: "a backend that knows its prefix is right already",
			middlewares: `stripPrefix: {prefixes: [PREFIX]}`,
			traefik:     "PREFIX/login", traefikWhy: "it maps no address",
		},
		{
			name: "relative Location", nginx: stripped, route: "backend, strip_prefix: true",
			path: "/x?Location=login", show: "answer Location", want: "login",
			middlewares: `stripPrefix: {prefixes: [PREFIX]}`,
		},
		{
			name: "Location of another host", nginx: stripped, route: "backend, strip_prefix: true",
			path: "/x?Location=https://other.example.com/login", show: "answer Location", want: "https://other.example.com/login",
			middlewares: `stripPrefix: {prefixes: [PREFIX]}`,
		},
		{
			name: "Location with two slashes", nginx: mapped, route: "backend, strip_prefix: true",
			path: "/x?Location=//other.example.com/", show: "answer Location", want: "PREFIX//other.example.com/",
			gateway: "//other.example.com/", why: "it is the address of another host, which stays as it is",
			middlewares: `stripPrefix: {prefixes: [PREFIX]}`,
			traefik:     "//other.example.com/", traefikWhy: "it maps no address",
		},
		{
			name: "Location below a base path", nginx: "location PREFIX/ { absolute_redirect off; proxy_pass BACKEND/v2PREFIX/; }", route: "backend/v2",
			path: "/x?Location=BACKEND/v2PREFIX/2", show: "answer Location", want: "PREFIX/2",
			middlewares: `addPrefix: {prefix: /v2}`,
			traefik:     "BACKEND/v2PREFIX/2", traefikWhy: "it maps no address",
		},
		{
			name: "Location beside the base path", nginx: "location PREFIX/ { proxy_pass BACKEND/v2PREFIX/; }", route: "backend/v2",
			path: "/x?Location=/other", show: "answer Location", want: "/other",
			middlewares: `addPrefix: {prefix: /v2}`,
		},
		{
			name: "the backend's own URL on a plain route", nginx: "absolute_redirect off; proxy;", route: "backend",
			path: "/x?Location=BACKEND/login", show: "answer Location", want: "/login",
			gateway: "BACKEND/login", why: "a route that changes no path changes no answer either; preserve_host gives backends the right name",
			middlewares: ``,
			traefik:     "BACKEND/login", traefikWhy: "it maps no address, and sends backends the Host of the client",
		},
		{
			name: "the path of a cookie", nginx: mapped, route: "backend, strip_prefix: true",
			path: "/x?Set-Cookie=a=b%3B+Path=/x%3B+Secure", show: "answer Set-Cookie", want: "a=b; Path=PREFIX/x; Secure",
			middlewares: `stripPrefix: {prefixes: [PREFIX]}`,
			traefik:     "a=b; Path=/x; Secure", traefikWhy: "it maps no address",
		},
		{
			name: "a cookie for everything", nginx: mapped, route: "backend, strip_prefix: true",
			path: "/x?Set-Cookie=a=b%3B+Path=/", show: "answer Set-Cookie", want: "a=b; Path=PREFIX/",
			gateway: "a=b; Path=PREFIX", why: "with a slash at its end, the path would not match the prefix itself (RFC 6265 section 5.1.4)",
			middlewares: `stripPrefix: {prefixes: [PREFIX]}`,
			traefik:     "a=b; Path=/", traefikWhy: "it maps no address",
		},
		{
			name: "a cookie without proxy_cookie_path", nginx: stripped, route: "backend, strip_prefix: true, rewrite_location: off",
			path: "/x?Set-Cookie=a=b%3B+Path=/", show: "answer Set-Cookie", want: "a=b; Path=/",
			middlewares: `stripPrefix: {prefixes: [PREFIX]}`,
		},
		{
			name: "a cookie that browsers only take for /", nginx: mapped, route: "backend, strip_prefix: true",
			path: "/x?Set-Cookie=__Host-a=b%3B+Path=/", show: "answer Set-Cookie", want: "__Host-a=b; Path=PREFIX/",
			gateway: "__Host-a=b; Path=/", why: "browsers drop a __Host- cookie with another path",
			middlewares: `stripPrefix: {prefixes: [PREFIX]}`,
			traefik:     "__Host-a=b; Path=/", traefikWhy: "it maps no address",
		},
	}
}
