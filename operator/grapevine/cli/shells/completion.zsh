#compdef grapevine
# Completion of grapevine for zsh: source <(grapevine completion zsh), or as a file _grapevine in a directory of $fpath

_grapevine() {
  local -a answer described
  local each directive
  answer=("${(@f)$(${words[1]} __complete "${(@)words[2,CURRENT]}" 2> /dev/null)}")
  directive=${answer[-1]}
  for each in "${(@)answer[1,-2]}"; do
    # _describe cuts at the first colon
    described+=("${${each%%$'\t'*}//:/\\:}:${each#*$'\t'}")
  done
  case $directive in
    (:0) (( ${#described} )) && _describe -V grapevine described; _files ;;
    (:6) _describe -V grapevine described -S '' ;;
    (*) _describe -V grapevine described ;;
  esac
}

if [[ $funcstack[1] == _grapevine ]]; then _grapevine "$@"; else compdef _grapevine grapevine; fi
