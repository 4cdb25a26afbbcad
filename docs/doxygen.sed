# A header as Doxygen wants it: // becomes ///, and the first comment of a file speaks of the file.
1s|^// SPDX.*|/// \\file|
2s|^// SPDX.*|///|
s|^\( *\)//$|\1///|
/^ *\/\/ /{
s/[<>&]/\\&/g
s/[@#%]/\\&/g
s|^\( *\)// |\1/// |
}
/^ *\/\/\//!s|\([^ /]\)  *// \(.*\)|\1  ///< \2|
# Inline namespaces have no place in names.
s/^namespace sparsellm::inline v0/namespace sparsellm/
s/^\(namespace sparsellm.*\)::inline SPARSELLM_BASELINE/\1/
s/^namespace SPARSELLM_PRODUCTS/namespace sparsellm::detail/
